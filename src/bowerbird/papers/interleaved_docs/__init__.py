"""Unified multimodal interleaved documents (Lee et al., arXiv 2410.02729): `method` is how, `experiment` what for."""

from __future__ import annotations

from bowerbird.papers.interleaved_docs.experiment import reproduce
from bowerbird.papers.page import Page

PAGE = Page(
    name="interleaved-docs",
    title="Unified Multi-Modal Interleaved Document Representation for Information Retrieval",
    source="Lee et al., arXiv 2410.02729",
    adds="One vector per document, the mean of sections with their text, tables and pictures, and a section re-ranker.",
    claim="Interleaved documents beat text alone, the mean beats the best passage, and document-then-section beats "
    "passages.",
    lives=("bowerbird.papers.interleaved_docs.method",),
    reproduce=reproduce,
    data=("text/xquad-crosslingual", "documents/mmdocir-subset", "multimodal/tuxpaint-stamps"),
)
