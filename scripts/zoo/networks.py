"""The networks of the zoo: classifiers of torchvision, timm and transformers, small where their authors' code allows it,
and a few of our own for layers that none of them has.

`names()` lists them; `build(name)` gives the module in eval mode and the shape [C,H,W] of its images. Weights are random,
the same each time. Layer scales are opened, statistics of batch norms come from images like those of `images`, and the
last layer is scaled, so that classes differ from image to image and gradients do not vanish.
"""

import warnings
import zlib

import timm
import torch
import torchvision
import transformers
from torch import nn
from torch.nn import functional as F

classes = 10

# at the size of the images: names, or names with arguments that make them smaller
of_torchvision = {
    32: {
        "resnet34": {},
        "resnext50_32x4d": {},
        "vgg13_bn@features": {},
        "densenet169": {},
        "wide_resnet50_2": {},
        "regnet_x_400mf": {},
        "mobilenet_v3_large": {},
        "shufflenet_v2_x1_0": {},
        "mnasnet1_0": {},
    },
    64: {
        "squeezenet1_0": {},
        "convnext_tiny": {},
        "efficientnet_b1": {},
        "efficientnet_v2_s": {},
        "swin_v2_t": {},
        "MaxVit": dict(
            input_size=(64, 64), stem_channels=16, partition_size=2, block_channels=[16, 32], block_layers=[1, 1],
            head_dim=8, stochastic_depth_prob=0.0,
        ),
        "VisionTransformer": dict(
            image_size=64, patch_size=8, num_layers=3, num_heads=3, hidden_dim=48, mlp_dim=96
        ),
    },
}

of_timm = {
    32: {
        "dpn48b": {},
        "fasternet_t0": {},
        "starnet_s1": {},
    },
    64: {
        # attention and mixing
        "beit_base_patch16_224": dict(img_size=64, depth=2, embed_dim=96, num_heads=3),
        "caformer_s18": {},
        "cait_xxs24_224": dict(img_size=64, depth=3, depth_token_only=1),
        "coat_lite_tiny": dict(img_size=64),
        "coatnet_pico_rw_224": dict(img_size=64),
        "convit_tiny": dict(img_size=64, depth=3, local_up_to_layer=2),
        "davit_tiny": dict(depths=(1, 1, 1, 1)),
        "deit3_small_patch16_224": dict(img_size=64, depth=2),
        "edgenext_xx_small": {},
        "efficientformerv2_s0": dict(img_size=64),
        "efficientvit_b0": {},
        "eva02_tiny_patch14_224": dict(img_size=56, patch_size=14, depth=2),
        "fastvit_t8": {},
        "focalnet_tiny_srf": {},
        "gcvit_xxtiny": dict(img_size=64),
        "gmlp_s16_224": dict(img_size=64),
        "maxvit_pico_rw_256": dict(img_size=64),
        "mobilevit_xxs": {},
        "mvitv2_tiny": dict(img_size=64),
        "pit_ti_224": dict(img_size=64),
        "resmlp_12_224": dict(img_size=64),
        "sequencer2d_s": dict(img_size=56, layers=(1, 1, 1, 1)),
        "swinv2_cr_tiny_224": dict(img_size=64, window_size=4, depths=(1, 1, 1, 1)),
        "tiny_vit_5m_224": {},
        "tnt_s_patch16_224": dict(img_size=64, depth=2),
        "twins_svt_small": dict(img_size=64, depths=(1, 1, 2, 1)),
        "volo_d1_224": dict(img_size=64),
        "xcit_nano_12_p16_224": dict(img_size=64, depth=2),
        # convolutions
        "convnextv2_atto": {},
        "dla46_c": {},
        "eca_nfnet_l0": {},
        "ghostnetv3_050": {},
        "hrnet_w18_small": {},
        "inception_next_atto": {},
        "lambda_resnet26t": {},
        "mambaout_femto": {},
        "mobilenetv4_conv_small": {},
        "mobileone_s0": {},
        "nf_regnet_b0": {},
        "regnetz_b16": {},
        "repvit_m0_9": {},
        "res2net50_26w_4s": dict(layers=(1, 1, 1, 1)),
        "resnest14d": {},
        "resnetv2_50x1_bit": {},
        "rexnet_100": {},
        "skresnet18": {},
        "tresnet_m": dict(layers=(1, 1, 1, 1)),
    },
    120: {"crossvit_tiny_240": dict(img_size=120, depth=((1, 2, 0), (1, 2, 0)))},
    128: {"botnet26t_256": dict(img_size=128)},
}

encoder = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=32, patch_size=4)
stages = dict(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1])
of_transformers = {
    32: {
        "Beit": encoder | dict(use_relative_position_bias=True, use_mean_pooling=True),
        "CLIP": dict(vision_config=encoder),
        "Data2VecVision": encoder | dict(use_mean_pooling=True),
        "DeiT": encoder,
        "Dinov2": encoder | dict(mlp_ratio=2),
        "Dinov2WithRegisters": encoder | dict(mlp_ratio=2),
        "IJepa": encoder,
        "Siglip": dict(vision_config=encoder),
        "ViTMSN": encoder,
        "Swin": dict(image_size=32, patch_size=2, embed_dim=24, depths=[1, 2], num_heads=[2, 4], window_size=4),
        "Swinv2": dict(image_size=32, patch_size=2, embed_dim=24, depths=[1, 2], num_heads=[2, 4], window_size=4),
    },
    64: {
        "Bit": dict(embedding_size=32, hidden_sizes=[128, 256], depths=[1, 1]),
        "ConvNext": stages,
        "ConvNextV2": stages,
        "Cvt": dict(embed_dim=[16, 32, 48], num_heads=[1, 2, 3], depth=[1, 2, 3]),
        "EfficientNet": dict(width_coefficient=0.5, depth_coefficient=0.5, hidden_dim=640, initializer_range=0.1),
        "FocalNet": dict(image_size=64, embed_dim=24, depths=[1, 1, 1, 1], hidden_sizes=[24, 48, 96, 192]),
        "HGNetV2": {},
        "Hiera": dict(
            image_size=[64, 64], embed_dim=24, depths=[1, 1, 2], num_heads=[1, 2, 4], query_stride=[2, 2], num_query_pool=2,
            masked_unit_size=[4, 4],
        ),
        "MobileNetV1": dict(image_size=64, depth_multiplier=0.5),
        "MobileNetV2": dict(image_size=64, depth_multiplier=0.5),
        "MobileViT": dict(image_size=64, hidden_sizes=[32, 48, 64], neck_hidden_sizes=[8, 16, 24, 32, 48, 64, 96]),
        "MobileViTV2": dict(image_size=64, width_multiplier=0.5),
        "PoolFormer": stages,
        "PvtV2": dict(image_size=64, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4]),
        "RegNet": dict(embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], groups_width=8),
        "Segformer": dict(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4]),
        "SwiftFormer": dict(image_size=64, depths=[1, 1, 1, 1], embed_dims=[16, 32, 48, 64]),
        "TextNet": {},
    },
    224: {"Levit": dict(hidden_sizes=[48, 64, 96], num_attention_heads=[2, 3, 4], depths=[1, 1, 1])},
}


class LogitsOnly(nn.Module):
    """A network of transformers as people export it: one tensor in, one out."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return self.network(pixel_values=image).logits


class Warp(nn.Module):
    """A spatial transformer: where it looks depends on the image."""

    def __init__(self, mode, padding, size=16):
        super().__init__()
        self.where = nn.Linear(3 * size**2, 6)
        nn.init.normal_(self.where.weight, std=0.01)
        self.where.bias.data = torch.tensor([1.1, 0.1, 0.05, -0.1, 1.2, 0.0])
        self.features = nn.Conv2d(3, 8, 3, stride=2)
        self.head = nn.Linear(8 * ((size - 1) // 2) ** 2, classes)
        self.how = dict(mode=mode, padding_mode=padding, align_corners=False)

    def forward(self, image):
        grid = F.affine_grid(self.where(image.flatten(1)).view(-1, 2, 3), image.shape, align_corners=False)
        return self.head(F.gelu(self.features(F.grid_sample(image, grid, **self.how))).flatten(1))


class LargestMean(nn.Module):
    """Pools the mean of the five largest of each channel."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 16, 3, stride=2)
        self.head = nn.Linear(16, classes)

    def forward(self, image):
        return self.head(F.gelu(self.features(image)).flatten(2).topk(5, dim=2).values.mean(2))


of_layers = {
    16: {
        "topk": LargestMean,
        **{
            f"grid_sample-{mode}-{padding}": lambda mode=mode, padding=padding: Warp(mode, padding)
            for mode in ("bilinear", "bicubic")
            for padding in ("zeros", "border", "reflection")
        },
    }
}


def from_layers(name, make):
    return make()


def from_torchvision(name, settings):
    if name.endswith("@features"):  # as for CIFAR: one linear layer behind the convolutions
        features = getattr(torchvision.models, name.partition("@")[0])(weights=None).features
        return nn.Sequential(features, nn.Flatten(), nn.Linear(512, classes))
    if name[0].isupper():
        return getattr(torchvision.models, name)(num_classes=classes, **settings)
    return torchvision.models.get_model(name, weights=None, num_classes=classes, **settings)


def from_timm(name, settings):
    return timm.create_model(name, pretrained=False, num_classes=classes, **settings)


def from_transformers(name, settings):
    config = getattr(transformers, name + "Config")(num_labels=classes, **settings)
    return LogitsOnly(getattr(transformers, name + "ForImageClassification")(config))


families = {
    "transformers": (from_transformers, of_transformers),
    "torchvision": (from_torchvision, of_torchvision),
    "timm": (from_timm, of_timm),
    "layers": (from_layers, of_layers),
}


def table():
    """name -> (how it is made, its own name, settings, size of images)"""
    return {
        f"{family}-{name.replace('@', '-')}": (make, name, settings, size)
        for family, (make, by_size) in families.items()
        for size, networks in by_size.items()
        for name, settings in networks.items()
    }


def names():
    return list(table())


def images(count, shape, seed):
    """Smooth colours with some noise, in [0, 1]."""
    random = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    coarse = torch.rand(count, channels, 4, 4, generator=random)
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return (smooth + 0.1 * torch.randn(count, *shape, generator=random)).clamp(0, 1)


def open_layer_scales(network):
    """Branches that their authors begin near 0 would add nothing, and a trained network has them open."""
    for name, weights in network.named_parameters():
        is_scale = weights.ndim in (1, 3) and not name.endswith(("bias", "token"))
        if is_scale and weights.any() and weights.abs().max() <= 1e-4:
            weights.fill_(0.5)


def measure_batch_norms(network, shape):
    """Running statistics of images, instead of 0 and 1. Dropout stays off."""
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    if norms:  # plain noise among them: to a network that has never seen any, float32 and float64 disagree about it
        noise = torch.rand(8, *shape, generator=torch.Generator().manual_seed(103))
        network(torch.cat([images(24, shape, 101), noise]))
    network.eval()


def scale_head(network, shape):
    """Logits with a mean of 0 and a deviation of 3 over images, by the weights of the last layer."""
    layers = [part for part in network.modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    head = [layer for layer in layers if layer.weight.shape[0] == classes][-1]
    if not head.weight.any():  # as some authors begin
        nn.init.normal_(head.weight, std=0.02)
    logits = network(images(24, shape, 102))
    mean = logits.mean(0)
    factor = 3 / (logits - mean).std(0).mean().clamp(min=1e-9)
    head.weight.mul_(factor)
    if head.bias is not None:
        head.bias.sub_(mean).mul_(factor)


def build(name):
    make, own, settings, size = table()[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = make(own, settings).eval().requires_grad_(False)
    side = settings.get("img_size", size) if isinstance(settings, dict) else size
    shape = (3, side, side)
    with torch.no_grad():
        open_layer_scales(network)
        measure_batch_norms(network, shape)
        scale_head(network, shape)
    return network, shape
