"""DATASETS: every set of pictures that the papers use, and those of this workbench.

Numbers of pictures are those that the papers print, or those counted in the files. Terms are as far
as they are known; where none are stated, that is said.
"""

from __future__ import annotations

from workbench.spec import DatasetSpec as Set

IMAGENET = "ImageNet terms: non-commercial research"
UNSTATED = "not stated"

_OF_THE_PAPERS = (
    Set("imagenet", "ImageNet (ILSVRC 2012)", "torchvision:ImageNet", IMAGENET, "train", 1000,
        "Liu & Tu: 50,000 pictures; Lakhani: 60,000 / 500. The archives come from image-net.org "
        "after a login; with access also hub:ILSVRC/imagenet-1k"),
    Set("imagenet64", "ImageNet, 64 x 64", "hub:benjamin-paine/imagenet-1k-64x64", IMAGENET,
        "train", 1000, "Ranjan & Agrawal: two of the ten batches, about 200,000 pictures"),
    Set("places365", "Places365", "torchvision:Places365", "research and education", "train", 365,
        "Liu & Tu: 1,800,000 pictures; here its 256 x 256 archive, 24 GB"),
    Set("unsplash", "FloydHub Unsplash", "https://github.com/unsplash/datasets",
        "Unsplash terms of the data set", "train", 0,
        "Lakhani: 9,500 / 500 pictures. FloydHub closed in 2021; Unsplash's own Lite set is the "
        "nearest: download its pictures, then give the folder"),
    Set("open-country", "MIT CVCL Urban and Natural Scenes: Open Country",
        "http://cvcl.mit.edu/database.htm", UNSTATED, "train", 0,
        "Lakhani: 361 / 50 pictures of 256 x 256. Download, then give the folder"),
    Set("intel", "Intel Image Classification",
        "kaggle:puneet6060/intel-image-classification/seg_train",
        "CC0, by the Kaggle page of one copy", "train", 6,
        "Liu, Gao & Li: its classes glacier and mountain, 150 x 150"),
    Set("voc2012", "Pascal VOC 2012", "torchvision:VOC2012",
        "Flickr terms of each picture; research", "train", 0,
        "Ranjan & Agrawal: about 17,000 pictures, all of the archive; a split is "
        ":train, :val, :trainval"),
    Set("flowers102", "Oxford Flowers 102", "torchvision:Flowers102", UNSTATED, "train", 102,
        "Ranjan & Agrawal show a flowers data set without naming it; this is a reading"),
    Set("movies", "Movies", "video:FILE", "the film's own", "train", 0,
        "Ranjan & Agrawal: about 170,000 frames of ten colour films, 2 a second, 256 x 512; "
        "unpublished. Give your own clips"),
    Set("flickr30k", "Flickr30k", "kaggle:hsankesara/flickr-image-dataset",
        "Flickr terms of each picture; research and education", "train", 0,
        "Aguilar Gomez et al.: about 30,000 pictures"),
    Set("art-images", "Art Images: Drawing/Painting/Sculpture/Engravings",
        "kaggle:thedownhill/art-images-drawings-painting-sculpture-engraving", UNSTATED,
        "train", 5, "Aguilar Gomez et al."),
    Set("anime-scenes", "Japanese Anime Scenes", "kaggle:weiwangk/japanese-anime-scenes", UNSTATED,
        "train", 0, "Aguilar Gomez et al."),
)  # fmt: skip

_OF_THE_WORKBENCH = (
    Set("train-128", "Training set of the bundled checkpoints", "data/train-128/train-*.parquet",
        "each source has its own; some are for research only", "train", 818,
        "44,679 photographs of 25 sources (ImageNet, Caltech-101, Intel scenes, people, animals, "
        "flowers, food, places), 128 to 144 pixels"),
    Set("validation-128", "Validation set of the bundled checkpoints",
        "data/train-128/validation-*.parquet",
        "each source has its own; some are for research only", "validation", 143,
        "1,140 photographs of the same 25 sources, none of them in the training set"),
    Set("imagenet-sample", "ImageNet, one picture a class",
        "https://github.com/EliSchwartz/imagenet-sample-images", IMAGENET, "test", 239,
        "240 pictures, without the classes of Imagenette and ImageWoof",
        foreign=False),
    Set("imagenette", "Imagenette (fast.ai)", "https://github.com/thunderInfy/imagenette", IMAGENET,
        "test", 10, "250 pictures of the official validation part, 25 a class",
        foreign=False),
    Set("intel-scenes", "Intel scenes",
        "https://github.com/ndb796/Scene-Classification-Dataset", "CC0", "test", 6,
        "216 pictures, 36 a class or nearly",
        foreign=False),
    Set("caltech101", "Caltech-101",
        "https://github.com/MachineLearning2020/Homework2-Caltech101", "CC BY 4.0", "test", 99,
        "150 pictures, 1 or 2 a class",
        foreign=False),
    Set("bsds500", "Berkeley BSDS500", "https://github.com/BIDS/BSDS500",
        "non-commercial research and education", "test", 0, "the 200 of the official test part",
        foreign=False),
    Set("coco", "COCO 2017 (128 train and 128 val)",
        "https://github.com/lightly-ai/coco128_yolo", "Flickr terms of each picture", "test", 0,
        "237 pictures, all in colour",
        foreign=True),
    Set("flickr8k", "Flickr8k, a part", "https://github.com/quantumnaan/sic_translator",
        "non-commercial research and education", "test", 0, "160 pictures, scaled to 200 pixels",
        foreign=False),
    Set("flowers", "Flowers Recognition",
        "https://github.com/JoelOscarsson/dl-assignment", UNSTATED, "test", 5, "30 a class",
        foreign=False),
    Set("food", "Food photographs", "https://github.com/feedmejefferson/images",
        "each picture its own: public domain or Creative Commons", "test", 1, "80 pictures",
        foreign=False),
    Set("cats-dogs", "Cats and dogs",
        "https://github.com/chanakya2734/Image-classification-using-CNN",
        "research and competition terms", "test", 2, "50 cats, 50 dogs",
        foreign=False),
    Set("sun-hays80", "Sun-Hays 80", "https://github.com/majedelhelou/denoising_datasets",
        "research", "test", 0, "all 80",
        foreign=True),
    Set("kodak24", "Kodak24, 500 x 500 crops", "https://github.com/cszn/FFDNet", "free use",
        "test", 0, "all 24",
        foreign=True),
    Set("mcmaster18", "McMaster18", "https://github.com/cszn/FFDNet", "research", "test", 0,
        "all 18",
        foreign=True),
    Set("people", "People",
        "FairFace, LFW, Leeds Sports Pose, Pixabay portraits and three others",
        "each source has its own; research", "test", 24, "200 photographs picked by eye",
        foreign=False),
    Set("art", "PACS: art paintings",
        "https://github.com/MachineLearning2020/Homework3-PACS", "research", "test", 7,
        "120 pictures: out of domain, no painting is in the training set",
        foreign=True),
    Set("cartoon", "PACS: cartoons",
        "https://github.com/MachineLearning2020/Homework3-PACS", "research", "test", 7,
        "100 pictures: out of domain, none of them is in the training set",
        foreign=True),
)  # fmt: skip

DATASETS: dict[str, Set] = {spec.name: spec for spec in (*_OF_THE_PAPERS, *_OF_THE_WORKBENCH)}
