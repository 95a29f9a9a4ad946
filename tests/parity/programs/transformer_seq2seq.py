"""nn.Transformer for sequence to sequence: causal masks, target shifted by one, a Noam schedule."""

from tests.parity.programs.common import fill, labels


def run(torch):
    nn = torch.nn

    class Seq2Seq(nn.Module):
        def __init__(self, vocab, size):
            super().__init__()
            self.src_embed = nn.Embedding(vocab, size)
            self.tgt_embed = nn.Embedding(vocab, size)
            self.transformer = nn.Transformer(
                d_model=size, nhead=2, num_encoder_layers=1, num_decoder_layers=2, dim_feedforward=16, dropout=0.0,
                batch_first=True,
            )  # fmt: skip
            self.generator = nn.Linear(size, vocab)
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.xavier_uniform_(p)

        def forward(self, src, tgt):
            mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
            out = self.transformer(
                self.src_embed(src), self.tgt_embed(tgt), tgt_mask=mask, src_key_padding_mask=(src == 0)
            )
            return self.generator(out)

    model = fill(torch, Seq2Seq(13, 8), 56)
    src = labels(torch, 57, 12, 6, 5) + 1
    src[:, -1] = 0
    tgt = torch.flip(src, dims=[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)

    def rate(step, model_size=8, factor=0.05, warmup=3):
        if step == 0:
            step = 1
        return factor * (model_size ** (-0.5) * min(step ** (-0.5), step * warmup ** (-1.5)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer=optimizer, lr_lambda=lambda step: rate(step))
    criterion = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)
    losses = []
    for _ in range(6):
        logits = model(src, tgt[:, :-1])
        loss = criterion(logits.reshape(-1, logits.shape[-1]), tgt[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), optimizer.param_groups[0]["lr"]]
    return losses
