"""The registry: adding a model is one file and one line here."""

from workbench.models import (
    attention_pix2pix,
    cbam_gan,
    colorful,
    inception_attention,
    reference,
    vanilla_cnn,
)
from workbench.spec import ModelSpec

MODELS: dict[str, ModelSpec] = {
    "cbam_gan": cbam_gan.SPEC,
    "inception_attention": inception_attention.SPEC,
    "colorful": colorful.SPEC,
    "attention_pix2pix": attention_pix2pix.SPEC,
    "vanilla_cnn": vanilla_cnn.SPEC,
    "reference": reference.SPEC,
}
