"""A transformer encoder with sinusoidal positions and padding masks, for classification."""

import math

from tests.parity.programs.common import fill, labels


def run(torch):
    nn = torch.nn

    class PositionalEncoding(nn.Module):
        def __init__(self, d_model, dropout=0.0, max_len=50):
            super().__init__()
            self.dropout = nn.Dropout(p=dropout)
            position = torch.arange(max_len).unsqueeze(1)
            div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
            pe = torch.zeros(max_len, 1, d_model)
            pe[:, 0, 0::2] = torch.sin(position * div_term)
            pe[:, 0, 1::2] = torch.cos(position * div_term)
            self.register_buffer("pe", pe)

        def forward(self, x):
            x = x + self.pe[: x.size(0)]
            return self.dropout(x)

    class TransformerModel(nn.Module):
        def __init__(self, ntoken, d_model, nhead, d_hid, nlayers):
            super().__init__()
            self.model_type = "Transformer"
            self.pos_encoder = PositionalEncoding(d_model)
            encoder_layers = nn.TransformerEncoderLayer(d_model, nhead, d_hid, 0.0, activation="gelu")
            self.transformer_encoder = nn.TransformerEncoder(encoder_layers, nlayers)
            self.embedding = nn.Embedding(ntoken, d_model)
            self.d_model = d_model
            self.linear = nn.Linear(d_model, 3)

        def forward(self, src, padding):
            src = self.embedding(src) * math.sqrt(self.d_model)
            src = self.pos_encoder(src)
            output = self.transformer_encoder(src, src_key_padding_mask=padding)
            kept = (~padding).t().unsqueeze(-1).to(output.dtype)
            return self.linear((output * kept).sum(0) / kept.sum(0))

    model = fill(torch, TransformerModel(20, 8, 2, 16, 2), 53)
    tokens = labels(torch, 54, 20, 7, 10)
    lengths = torch.tensor([7, 3, 5, 6, 2, 7, 4, 4, 5, 6])
    padding = torch.arange(7).expand(10, 7) >= lengths.unsqueeze(1)
    targets = labels(torch, 55, 3, 10)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1.0, gamma=0.95)
    losses = []
    for _ in range(6):
        model.train()
        output = model(tokens, padding)
        loss = criterion(output, targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    model.eval()
    return losses + model(tokens, padding).detach().flatten().tolist()
