"""The saliency network: a small U-Net over bottom-up features, and the odds of a place in the frame.

The inputs are the colours and the features of bottom-up models: opponent colours and centre-surround differences (Itti,
Koch and Niebur 1998, IEEE PAMI 20), distance from the frame's mean colour (Achanta et al. 2009, CVPR) and from the
colours at each border (boundary prior: Zhu et al. 2014, CVPR), and coordinates, from which a centre prior follows (Judd
et al. 2009, ICCV). A U-Net (Ronneberger et al. 2015, MICCAI) with a global context weights them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Height and width of the working area for 16:9, in pixels. Sides are multiples of STEP.
WORKING = (128, 224)
STEP = 16


def block(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """A convolution, a normalisation (folded into the convolution on export) and a rectification."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def fit(x: Tensor, like: Tensor) -> Tensor:
    """Resize x to the height and width of `like`."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def sides(x: Tensor) -> list[Tensor]:
    """The bands along the four borders, each [n,c,pixels]."""
    return [x[:, :, :3].flatten(2), x[:, :, -3:].flatten(2), x[..., :3].flatten(2), x[..., -3:].flatten(2)]


def distances(x: Tensor, bands: list[Tensor]) -> Tensor:
    """How many deviations x is away from each band's mean, saturating: [n,bands,h,w], summed over channels."""
    off = []
    for band in bands:
        mean, spread = band.mean(2)[..., None, None], (band * band).mean(2)[..., None, None]
        off.append(((x - mean) ** 2 / (spread - mean * mean + 0.02)).sum(1, keepdim=True))
    squared = torch.cat(off, 1)
    return squared / (squared + 8)


class Saliency(nn.Module):
    """From normalised RGB [n,3,h,w], with sides that are multiples of 16, to logits [n,1,h/2,w/2]."""

    place: Tensor

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        opponent = torch.tensor([[0.3, 0.4, 0.3], [0.7, -0.7, 0.0], [-0.4, -0.4, 0.8]])
        self.opponent = nn.Parameter(opponent[..., None, None])
        y, x = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 28), indexing="ij")
        self.register_buffer("place", torch.stack([x * x, y * y, y, torch.exp(-2 * (x * x + y * y))])[None])
        n = width
        self.fine = nn.Sequential(block(3, 16, 2), block(16, 16))
        self.quarter = nn.Sequential(block(32 + 18, n), block(n, n))
        self.eighth = nn.Sequential(block(n, 64), block(64, 64))
        self.contrast = block(64, 64, kernel=1)
        self.sixteenth = nn.Sequential(block(128, 80), block(80, 80))
        self.context = nn.Linear(2 * 80, 2 * 80)
        self.wide = block(80, 80)
        self.up8, self.dec8 = block(80, 64, kernel=1), block(64, 64)
        self.up4, self.dec4 = block(64, n, kernel=1), block(n, n)
        self.up2, self.dec2 = block(n, 16, kernel=1), block(16, 16)
        self.out = nn.Conv2d(16, 1, 1)

    def features(self, x: Tensor) -> Tensor:
        """Bottom-up features at a quarter of the size, [n,18,h/4,w/4]."""
        colour = F.avg_pool2d(F.conv2d(x, self.opponent), 4)
        near, far = F.avg_pool2d(colour, 5, 1, 2, count_include_pad=False), F.avg_pool2d(colour, 4)
        far = fit(F.avg_pool2d(far, 3, 1, 1, count_include_pad=False), colour)
        border = distances(colour, sides(colour))
        rare = distances(colour, [colour.flatten(2)])
        place = fit(self.place, colour).expand(colour.shape[0], -1, -1, -1)
        return torch.cat([colour, colour - near, colour - far, border, rare, place], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Predict the logits [n,1,h/2,w/2]."""
        fine = self.fine(x)
        pooled = torch.cat([F.max_pool2d(fine, 2), F.avg_pool2d(fine, 2)], 1)
        quarter = self.quarter(torch.cat([pooled, self.features(x)], 1))
        eighth = self.eighth(F.max_pool2d(quarter, 2))
        bands = torch.cat(sides(eighth), 2).mean(2)[..., None, None]
        unlike = self.contrast((eighth - bands) ** 2)  # the boundary prior again, on learned features
        deep = self.sixteenth(F.max_pool2d(torch.cat([eighth, unlike], 1), 2))
        summary = torch.cat([deep.mean((2, 3)), deep.amax((2, 3))], 1)
        scale, shift = self.context(summary)[..., None, None].chunk(2, 1)
        deep = self.wide(F.relu(deep * (1 + scale) + shift))
        up = self.dec8(fit(self.up8(deep), eighth) + eighth)
        up = self.dec4(fit(self.up4(up), quarter) + quarter)
        up = self.dec2(fit(self.up2(up), fine) + fine)
        logits: Tensor = self.out(up)
        return logits


class Located(nn.Module):
    """The network's odds times the odds that viewers look at a place, which are low along the frame's border.

    The log odds are GAIN * logit + BIAS - FALL * (1 - (1 - x^8)(1 - y^8)), with x and y from -1 to 1. BIAS compensates
    for objects that are rarer in rendered scenes than in films.
    """

    GAIN, BIAS, FALL = 0.8, 0.5, 3.0
    inner: Tensor

    def __init__(self, net: Saliency) -> None:
        super().__init__()
        self.net = net
        y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 112), indexing="ij")
        self.register_buffer("inner", ((1 - x**8) * (1 - y**8))[None, None])

    def forward(self, frame: Tensor) -> Tensor:
        """From normalised RGB [n,3,h,w], with sides that are multiples of 16, to saliency [n,1,h/2,w/2] in [0,1]."""
        logits = self.net(frame)
        return torch.sigmoid(self.GAIN * logits + self.BIAS - self.FALL * (1 - fit(self.inner, logits)))
