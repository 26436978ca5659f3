"""Data augmentation of whole batches, on their device."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator

from emnist.utils.schema import Angle, Fraction, Positive, Section


class Affine(Section):
    """Random rotation, shift, scale and shear, as torchvision's ``RandomAffine``.

    Parameters
    ----------
    degrees : float
        Angles are uniform in [-degrees, degrees].
    translate : float
        Shifts are uniform up to this fraction of the side, then rounded to whole pixels.
    scale : (float, float)
        Scale factors are uniform in this range.
    shear : float
        Horizontal shear angles, in degrees, are uniform in [-shear, shear].
    """

    degrees: Angle
    translate: Fraction
    scale: tuple[Positive, Positive] = Field(strict=False)
    shear: Angle

    @model_validator(mode="after")
    def scale_is_a_range(self):
        if self.scale[0] > self.scale[1]:
            raise ValueError("scale should be a range, the smaller number first")
        return self

    def __call__(self, images, generator):
        return affine(images, self.sample(len(images), generator))

    def sample(self, count, generator, size=28):
        """Draw `count` parameters of `affine`, for images of `size` pixels a side: torch.Tensor of float32 (count, 5)."""
        uniform = torch.rand(count, 5, generator=generator, device=generator.device)
        shift = self.translate * size
        low = torch.tensor([-self.degrees, -shift, -shift, self.scale[0], -self.shear], device=generator.device)
        high = torch.tensor([self.degrees, shift, shift, self.scale[1], self.shear], device=generator.device)
        parameters = low + uniform * (high - low)
        parameters[:, 1:3].round_()
        return parameters

    def __str__(self):
        return (
            f"rotation to ±{self.degrees:g}°, shift to ±{self.translate:.0%}, "
            f"scale {self.scale[0]:g} to {self.scale[1]:g}, shear to ±{self.shear:g}°"
        )


class Elastic(Section):
    """Random smooth displacement of the pixels [1]_.

    Parameters
    ----------
    displacement : float
        Standard deviation of a pixel's displacement along each axis, in pixels.
    sigma : float
        Standard deviation of the Gaussian filter that smooths the displacements, in pixels.

    References
    ----------
    .. [1] Simard, Steinkraus and Platt, 2003, "Best practices for convolutional neural networks applied to visual
       document analysis", ICDAR.
    """

    displacement: Positive
    sigma: Annotated[float, Field(gt=0, le=14)]

    def __call__(self, images, generator):
        """Displace the pixels, by bilinear interpolation; those from outside an image are 0."""
        count, _, height, width = images.shape
        radius = math.ceil(3 * self.sigma)
        kernel = torch.exp(-(torch.arange(-radius, radius + 1, device=images.device) ** 2) / (2 * self.sigma**2))
        kernel /= kernel.square().sum().sqrt()  # smoothing then keeps the noise's standard deviation of 1
        noise = torch.randn(
            2 * count, 1, height + 2 * radius, width + 2 * radius, generator=generator, device=images.device
        )
        field = F.conv2d(F.conv2d(noise, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
        field = field.view(count, 2, height, width) * self.displacement
        x = torch.arange(width, device=images.device) - (width - 1) / 2
        y = torch.arange(height, device=images.device) - (height - 1) / 2
        grid = torch.stack([(x + field[:, 0]) * (2 / width), (y[:, None] + field[:, 1]) * (2 / height)], dim=3)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def __str__(self):
        return f"elastic displacement of {self.displacement:g} pixels, smoothed over {self.sigma:g}"


# The augmentations, by their names in params.yaml. Each is called with images (N, 1, H, W) of float, 0 where there is no
# ink, and a torch.Generator on their device; it returns new images of the same shape.
AUGMENTATIONS = {"affine": Affine, "elastic": Elastic}


def affine(images, parameters):
    """Apply an affine distortion to each image, with its own parameters.

    Parameters
    ----------
    images : torch.Tensor of float, shape (N, 1, H, W)
    parameters : torch.Tensor of float32, shape (N, 5)
        Angle (degrees), horizontal and vertical shift (pixels), scale, shear (degrees).

    Returns
    -------
    torch.Tensor, shape (N, 1, H, W)
        Sampled by nearest neighbour; pixels from outside an image are 0.

    Notes
    -----
    The same map as ``torchvision.transforms.functional.affine``: rotation and horizontal shear about the centre, then
    scale, then the shift. The inverse gives each output pixel's position in the input.
    """
    angle, shift_x, shift_y, scale, shear = parameters.unbind(1)
    angle, shear = torch.deg2rad(angle), torch.deg2rad(shear)
    cos, sin, tan = torch.cos(angle), torch.sin(angle), torch.tan(shear)
    # The inverse of scale * rotation(angle) @ [[1, -tan(shear)], [0, 1]].
    a, b, c, d = (cos - sin * tan) / scale, (sin + cos * tan) / scale, -sin / scale, cos / scale
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - (width - 1) / 2 - shift_x[:, None]
    y = torch.arange(height, device=images.device) - (height - 1) / 2 - shift_y[:, None]
    # grid_sample's coordinates run from -1 to 1 over the side, so a pixel is 2 / side.
    grid = images.new_empty(len(images), height, width, 2)
    torch.add((a[:, None] * x * (2 / width))[:, None, :], (b[:, None] * y * (2 / width))[:, :, None], out=grid[..., 0])
    torch.add(
        (c[:, None] * x * (2 / height))[:, None, :], (d[:, None] * y * (2 / height))[:, :, None], out=grid[..., 1]
    )
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)
