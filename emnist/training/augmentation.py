"""Random affine distortion of a whole batch at once, on the batch's device."""

import torch
import torch.nn.functional as F


def sample_affine(count, generator, degrees, translate, scale, shear, size=28):
    """Draw the parameters of `count` distortions, as torchvision's ``RandomAffine`` does.

    Parameters
    ----------
    count : int
    generator : torch.Generator
    degrees : float
        Angles are uniform in [-degrees, degrees].
    translate : float
        Shifts are uniform up to this part of the side, rounded to whole pixels.
    scale : (float, float)
        Factors are uniform in this range.
    shear : float
        Horizontal shear angles, in degrees, are uniform in [-shear, shear].
    size : int
        Side of the images, in pixels.

    Returns
    -------
    torch.Tensor of float32, shape (count, 5)
        Angle (degrees), horizontal and vertical shift (pixels), scale, shear (degrees).
    """
    uniform = torch.rand(count, 5, generator=generator, device=generator.device)
    reach = translate * size
    low = torch.tensor([-degrees, -reach, -reach, scale[0], -shear], device=generator.device)
    high = torch.tensor([degrees, reach, reach, scale[1], shear], device=generator.device)
    parameters = low + uniform * (high - low)
    parameters[:, 1:3].round_()
    return parameters


def affine(images, parameters):
    """Distort each image by its own parameters.

    Parameters
    ----------
    images : torch.Tensor of float, shape (N, 1, H, W)
    parameters : torch.Tensor of float32, shape (N, 5)
        As `sample_affine` gives them.

    Returns
    -------
    torch.Tensor, shape (N, 1, H, W)
        Nearest-neighbour samples; what comes from outside an image is 0.

    Notes
    -----
    The same map as ``torchvision.transforms.functional.affine``: rotation and horizontal shear about the centre, then
    scale, then the shift. Its inverse tells for each output pixel where in the input to look.
    """
    angle, shift_x, shift_y, scale, shear = parameters.unbind(1)
    angle, shear = torch.deg2rad(angle), torch.deg2rad(shear)
    cos, sin, tan = torch.cos(angle), torch.sin(angle), torch.tan(shear)
    # The inverse of scale * rotation(angle) @ [[1, -tan(shear)], [0, 1]].
    a, b, c, d = (cos - sin * tan) / scale, (sin + cos * tan) / scale, -sin / scale, cos / scale
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - (width - 1) / 2 - shift_x[:, None]
    y = torch.arange(height, device=images.device) - (height - 1) / 2 - shift_y[:, None]
    # grid_sample's coordinates run from -1 to 1 over the side, so that a pixel is 2 / side.
    grid = images.new_empty(len(images), height, width, 2)
    torch.add((a[:, None] * x * (2 / width))[:, None, :], (b[:, None] * y * (2 / width))[:, :, None], out=grid[..., 0])
    torch.add(
        (c[:, None] * x * (2 / height))[:, None, :], (d[:, None] * y * (2 / height))[:, :, None], out=grid[..., 1]
    )
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)
