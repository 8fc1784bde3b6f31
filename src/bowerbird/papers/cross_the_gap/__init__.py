"""Cross the Gap (Mistretta et al., ICLR 2025, arXiv 2502.04263): search within a modality through the other one.

CLIP's loss compares pictures with texts only, so nothing calibrates pictures among themselves. Here a query is inverted
into the other modality by gradient descent through its tower, and then compared across modalities.

    emoji.py        pictures as patches, names as word pieces
    towers.py       two towers that can be entered behind their first layer, and their training
    inversion.py    OTI and OVI, the modality gap
    experiment.py   with and without a gap
"""

from __future__ import annotations

from bowerbird.errors import MissingExtra
from bowerbird.papers.page import Page, Report, Run


def reproduce(run: Run) -> Report:
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "the page cross-the-gap") from None
    torch.set_num_threads(1)  # for matrices this small, others only wait for each other
    from bowerbird.papers.cross_the_gap import experiment

    return experiment.reproduce(run)


PAGE = Page(
    name="cross-the-gap",
    title="Cross the Gap: Exposing the Intra-modal Misalignment in CLIP via Modality Inversion",
    source="Mistretta et al., ICLR 2025, arXiv 2502.04263",
    adds="Optimisation-based textual and visual inversion (OTI, OVI) through a frozen tower; the modality gap.",
    claim="Where training leaves a gap between modalities, inverted queries search a modality better than native ones.",
    lives=("bowerbird.papers.cross_the_gap",),
    reproduce=reproduce,
    data=("images/emoji-styles",),
    needs=("train",),
)
