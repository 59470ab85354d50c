"""One file, one trigger: its spec and its code. Importing this package imports every file in it, and each registers itself."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
