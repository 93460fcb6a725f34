"""What the models share: how the bundled weights were made, and a run for a lesson."""

BUNDLED_TITLE = "The bundled weights: two CPU cores, 64 x 64 first, 128 x 128 at the end"
BUNDLED_RUN = {"images": 208_000, "batch_size": 32, "size": "64:0.9,128:0.1"}
LONGER_TITLE = "The bundled weights, trained on (--from): rotated, sheared and zoomed pictures"
LONGER_RUN = {
    "images": 256_000, "batch_size": 32, "size": "64:0.8,128:0.2",
    "shear": 0.1, "zoom": 0.2, "rotate": 10.0,
}  # fmt: skip
GPU_TITLE = "A GPU: batches of 256, a warm-up, a longer average; ours, not yet run on a GPU"
GPU_RUN = {
    "images": 5_000_000, "batch_size": 256, "size": "128", "warm_up": 25_600, "half_life": 32_000,
    "shear": 0.1, "zoom": 0.2, "rotate": 10.0,
}  # fmt: skip
QUICK_TITLE = "Something to look at within three minutes on two cores"
QUICK_RUN = {"images": 12_000, "batch_size": 32, "size": "64"}
