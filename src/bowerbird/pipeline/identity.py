"""What a pipeline, a query or a model is, as text that is the same in every process: the key of remembered results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from bowerbird.collection.snapshot import Snapshot
from bowerbird.encoders.base import EncoderId
from bowerbird.errors import PipelineError
from bowerbird.items import Audio, Image, Query, Video
from bowerbird.storage.files import digest_file


def identity(thing: Any) -> str:
    """Equal for things that give equal results. Fields that do not show, such as keys of an API, do not count, but for
    the library that a stage searches.

    Raises PipelineError for objects that cannot be told apart: give their class an `identity` property.
    """
    if thing is None or isinstance(thing, bool | int | float | str):
        return repr(thing)
    if isinstance(thing, bytes):
        return digest(thing)
    if isinstance(thing, tuple | list):
        return f"[{','.join(map(identity, thing))}]"
    if isinstance(thing, frozenset | set):
        return f"{{{','.join(sorted(map(identity, thing)))}}}"
    if isinstance(thing, Mapping):
        return f"{{{','.join(f'{identity(key)}:{identity(value)}' for key, value in thing.items())}}}"
    if isinstance(thing, np.ndarray):
        return _array(thing)
    if isinstance(thing, Snapshot | FunctionType):
        return thing.identity if isinstance(thing, Snapshot) else _function(thing)
    return _object(thing)


def query_identity(query: Query) -> str:
    """The content of a query: pictures, sounds and films by their bytes, wherever they lie."""
    parts = [
        (type(part).__name__, _media(part), [getattr(part, f.name) for f in fields(part) if f.name != "source"])
        for part in query.parts
    ]
    return identity([parts, query.instruction, query.modalities, query.where])


def digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _media(part: Any) -> str:
    if not isinstance(part, Image | Audio | Video):
        return ""
    try:
        return digest(part.source) if isinstance(part.source, bytes) else digest_file(part.source)
    except OSError as error:
        raise PipelineError(f"cannot read {part.source!r} of a query ({error.strerror}): check the path") from None


def _array(array: np.ndarray[Any, Any]) -> str:
    plain = array.astype(str) if array.dtype == object else array
    return f"array{plain.shape}{plain.dtype}{digest(np.ascontiguousarray(plain).tobytes())}"


def _function(function: FunctionType) -> str:
    """By where it is, what it does, and what it has taken from around it."""
    around = [cell.cell_contents for cell in function.__closure__ or ()]
    taken = identity([around, list(function.__defaults__ or ()), function.__kwdefaults__ or {}])
    return f"{function.__module__}.{function.__qualname__}({_code(function.__code__)}{taken})"


def _code(code: CodeType) -> str:
    inner = [_code(constant) if isinstance(constant, CodeType) else identity(constant) for constant in code.co_consts]
    return digest(code.co_code) + identity([inner, code.co_names])


def _object(thing: Any) -> str:
    own = getattr(thing, "identity", None)
    if isinstance(own, str):
        return own
    if isinstance(getattr(thing, "id", None), EncoderId):
        return str(thing.id)
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if is_dataclass(thing):
        counted = [f.name for f in fields(thing) if f.repr or f.name == "source"]
        return f"{kind}({','.join(f'{name}={identity(getattr(thing, name))}' for name in counted)})"
    if isinstance(getattr(thing, "name", None), str):
        return f"{kind}({thing.name})"
    raise PipelineError(f"cannot tell one {kind} from another, so nothing of it is remembered: "
                        "give the class an `identity` property")  # fmt: skip
