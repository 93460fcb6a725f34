"""What takes seconds to import: timm in less of them, and both before anyone waits."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from threading import Lock, Thread
from types import ModuleType
from typing import Any

_importing = Lock()


def import_ahead() -> Thread:
    """A thread that imports torch and timm, for a server that nobody has visited yet.

    It imports nothing of ours: two threads that import modules which need each other can see one
    half made. A package that is missing is left to whoever needs it.
    """

    def work() -> None:
        with suppress(ImportError):
            import torch  # noqa: F401

            import_timm()

    thread = Thread(target=work, name="imports", daemon=True)
    thread.start()
    return thread


def import_timm() -> ModuleType:
    """timm, without torch's compiler, which takes longer to import than timm and torchvision.

    Both import it while they are imported: torchvision for a question that `roi_align` asks later,
    timm to mark functions of models that are none of ours. A stand-in passes the question on
    when it is asked. Where it does not do, or the compiler is there, timm is imported as ever.
    """
    names = ("torch._dynamo", "torch._dynamo.utils")
    with _importing:
        if "timm" not in sys.modules and not set(names) & set(sys.modules):
            compiler, questions = stand_ins = [ModuleType(name) for name in names]
            vars(compiler)["disable"] = lambda function=None, *args, **kwargs: function
            vars(questions)["is_compile_supported"] = _ask_compiler
            sys.modules.update(zip(names, stand_ins, strict=True))
            with suppress(ImportError, AttributeError, TypeError):
                importlib.import_module("timm")
            for name in names:
                del sys.modules[name]
        return importlib.import_module("timm")


def _ask_compiler(device: Any) -> Any:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device)
