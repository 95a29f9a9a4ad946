"""Functions with gradients of their own: a ReLU, a straight-through estimator, a polynomial, gradient reversal."""

from tests.parity.programs.common import draw, fill


def run(torch):
    nn = torch.nn

    class MyReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input.clamp(min=0)

        @staticmethod
        def backward(ctx, grad_output):
            (input,) = ctx.saved_tensors
            grad_input = grad_output.clone()
            grad_input[input < 0] = 0
            return grad_input

    class BinarizeSTE(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            return torch.sign(input)

        @staticmethod
        def backward(ctx, grad_output):
            return torch.nn.functional.hardtanh(grad_output)

    class GradReverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, lambd):
            ctx.lambd = lambd
            return x.view_as(x)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output.neg() * ctx.lambd, None

    class LegendrePolynomial3(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return 0.5 * (5 * input**3 - 3 * input)

        @staticmethod
        def backward(ctx, grad_output):
            (input,) = ctx.saved_tensors
            return grad_output * 1.5 * (5 * input**2 - 1)

    class LinearFunction(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input, weight, bias=None):
            ctx.save_for_backward(input, weight, bias)
            output = input.mm(weight.t())
            if bias is not None:
                output += bias.unsqueeze(0).expand_as(output)
            return output

        @staticmethod
        def backward(ctx, grad_output):
            input, weight, bias = ctx.saved_tensors
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                grad_input = grad_output.mm(weight)
            if ctx.needs_input_grad[1]:
                grad_weight = grad_output.t().mm(input)
            if bias is not None and ctx.needs_input_grad[2]:
                grad_bias = grad_output.sum(0)
            return grad_input, grad_weight, grad_bias

    x, y = draw(torch, 68, 30, 3), draw(torch, 69, 30, 1)
    w1, b1 = draw(torch, 70, 8, 3).requires_grad_(), torch.zeros(8, requires_grad=True)
    head = fill(torch, nn.Linear(8, 1), 71)
    domain = fill(torch, nn.Linear(8, 1), 72)
    optimizer = torch.optim.SGD([{"params": [w1, b1]}, {"params": head.parameters(), "lr": 0.02}], lr=0.01)
    optimizer.add_param_group({"params": list(domain.parameters()), "lr": 0.005})
    losses = []
    for step in range(8):
        hidden = LinearFunction.apply(x, w1, b1)
        hidden = MyReLU.apply(hidden) if step < 4 else LegendrePolynomial3.apply(torch.tanh(hidden))
        if step == 5:
            hidden = BinarizeSTE.apply(hidden)
        adversary = domain(GradReverse.apply(hidden, 0.1))
        loss = (head(hidden) - y).abs().mean() + nn.functional.binary_cross_entropy_with_logits(
            adversary, (y > 0).to(y.dtype)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert torch.autograd.gradcheck(LegendrePolynomial3.apply, (draw(torch, 73, 4).double().requires_grad_(),))
    return losses + w1.detach().flatten().tolist()
