"""The affine distortion is torchvision's RandomAffine; the elastic one moves pixels as far as it says."""

import pytest
import torch
from pipeline_helpers import own_params

from emnist.training.augmentation import AUGMENTATIONS, Affine, Elastic, affine

RANGES = {"degrees": 15, "translate": 0.1, "scale": (0.9, 1.1), "shear": 3}


def test_images_are_distorted_as_by_torchvision_with_parameters_from_the_same_ranges():
    from torchvision.transforms import RandomAffine, functional  # which takes seconds, so only here

    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (300, 1, 28, 28), generator=generator).float()
    parameters = Affine(degrees=40, translate=0.3, scale=(0.6, 1.5), shear=20).sample(300, generator)
    one_by_one = torch.stack(
        [
            functional.affine(image, angle=angle, translate=[int(x), int(y)], scale=scale, shear=[shear, 0.0])
            for image, (angle, x, y, scale, shear) in zip(images, parameters.tolist())
        ]
    )
    # Where a pixel's source falls on the edge between two pixels, rounding may take either.
    assert (affine(images, parameters) != one_by_one).float().mean() < 1e-4

    ours = Affine(**RANGES).sample(5000, torch.Generator().manual_seed(2))
    torch.manual_seed(2)
    drawn = (RandomAffine.get_params([-15, 15], [0.1, 0.1], [0.9, 1.1], [-3, 3], [28, 28]) for _ in range(5000))
    theirs = torch.tensor([(angle, *shift, scale, shear[0]) for angle, shift, scale, shear in drawn])
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=0.25, rtol=0)
    torch.testing.assert_close(ours.std(0), theirs.std(0), atol=0, rtol=0.03)
    assert torch.equal(ours.amax(0).round(), theirs.amax(0).round())
    assert set(ours[:, 1].tolist()) == set(theirs[:, 1].tolist())


def test_no_distortion_leaves_images_as_they_are():
    images = torch.rand(4, 1, 28, 28)
    assert torch.equal(affine(images, torch.tensor([[0.0, 0, 0, 1, 0]]).repeat(4, 1)), images)


def test_elastic_distortion_moves_pixels_by_the_displacement_asked_for():
    ramp = torch.arange(28.0).expand(1000, 1, 28, 28)  # whose value is the column it is read from
    moved = Elastic(displacement=0.7, sigma=4)(ramp, torch.Generator().manual_seed(0))[:, 0, 10:18, 10:18]
    shift = moved - torch.arange(10.0, 18)
    assert shift.mean().abs() < 0.02
    assert shift.std().item() == pytest.approx(0.7, rel=0.05)
    neighbours = torch.corrcoef(torch.stack([shift[:, 0, 0], shift[:, 0, 1]]))[0, 1]
    assert neighbours > 0.9  # it is smooth


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_repeats_with_its_seed_keeps_the_shape_and_says_what_it_does(name):
    recipe = own_params()["recipes"]["annealed"]
    augment = AUGMENTATIONS[name](**(recipe["augmentation"][name] or {"displacement": 0.7, "sigma": 4}))
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    first, second = (augment(images, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first, second) and first.shape == images.shape
    assert torch.equal(images, before) and not torch.equal(first, images)
    assert len(str(augment)) > 10
