"""Configuration: a tree of frozen dataclasses, read from TOML and checked to the last key.

The dataclasses are the schema: a field's type says what a key may hold, a field without a default is required, and
a ``ValueError`` raised in ``__post_init__`` becomes a message that names the place. A key that no field has is an
error that suggests the nearest name: a misspelt option must not be silently without effect.

Types understood: ``bool``, ``int``, ``float`` (an int is taken too), ``str``, ``Path``, ``Literal[...]``, ``X | None``,
``tuple[X, ...]`` and ``tuple[X, Y]`` (arrays), dataclasses (tables), and any nesting of these; ``dict[str, Any]`` is a
table passed on as it is, for another process to check.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lookdown.wire.errors import ConfigError

T = TypeVar("T")

_TOML_NAMES = {
    dict: "a table",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
}


def load_config(path: Path, cls: type[T], beside: bool = False) -> T:
    """Read a TOML file into a dataclass tree.

    Parameters
    ----------
    path : Path
        File to read.
    cls : type
        Dataclass that describes the whole file.
    beside : bool
        Whether a relative ``Path`` value counts from the file's folder; else it is left as it is written.

    Raises
    ------
    ConfigError
        The file is absent, unreadable or no TOML, or a key in it is unknown, missing or of a wrong type.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; check the path of the configuration") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check what it is and who may read it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: wanted UTF-8 text, octet {error.start} is none; is this a TOML file?") from None
    return parse_config(text, cls, str(path), Path(path).parent if beside else None)


def parse_config(source: str | Mapping[str, Any], cls: type[T], where: str, folder: Path | None = None) -> T:
    r"""Turn TOML text, or a mapping as ``tomllib`` gives it, into a dataclass tree.

    Parameters
    ----------
    source : str or mapping
        TOML text, or the values.
    cls : type
        Dataclass that describes ``source``.
    where : str
        What messages call the source, such as the file's name.
    folder : Path or None
        What relative ``Path`` values count from; None leaves them as they are written.

    Raises
    ------
    ConfigError
        As in `load_config`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Link:
    ...     endpoint: str
    ...     window: int = 256
    >>> parse_config('endpoint = "tcp://127.0.0.1:5555"', Link, "example")
    Link(endpoint='tcp://127.0.0.1:5555', window=256)
    >>> parse_config('endpoint = "ipc://x"\nwindows = 3', Link, "example")
    Traceback (most recent call last):
        ...
    lookdown.wire.errors.ConfigError: example: unknown key 'windows'; did you mean 'window'? Known: endpoint, window
    """
    if isinstance(source, str):
        try:
            values: Any = tomllib.loads(source)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not valid TOML: {error}") from None
    else:
        values = source
    return cast(T, _table(values, cls, where, folder))


def _table(values: Any, cls: type[Any], where: str, folder: Path | None) -> Any:
    """Build dataclass ``cls`` from a mapping."""
    if not isinstance(values, Mapping):
        raise _wrong(where, "a table", values)
    known = [field.name for field in fields(cls) if field.init]
    for key in values:
        if key not in known:
            nearest = get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean '{nearest[0]}'? " if nearest else ""
            raise ConfigError(f"{where}: unknown key '{key}'; {hint}Known: {', '.join(known)}")
    hints = get_type_hints(cls)
    arguments = {}
    for field in fields(cls):
        if field.name in values:
            place = _below(where, field.name)
            arguments[field.name] = _value(values[field.name], hints[field.name], place, folder)
        elif field.init and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where}: missing key '{field.name}', wanted {_name(hints[field.name])}; add it")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _value(value: Any, hint: Any, where: str, folder: Path | None) -> Any:
    """Turn one TOML value into what ``hint`` says."""
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _table(value, hint, where, folder)
    if origin in (Union, UnionType) and len(args) == 2 and NoneType in args:
        return _value(value, args[args[0] is NoneType], where, folder)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in args):
            raise _wrong(where, _name(hint), value)
        return value
    if origin is tuple:
        return _array(value, args, where, folder)
    if origin is dict and isinstance(value, Mapping):
        return dict(value)
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and type(value) is str and value:
        return Path(value) if folder is None else folder / value
    if hint in (bool, int, float, str) and type(value) is hint:
        return value
    if hint not in (bool, int, float, str, Path) and origin is not dict:
        raise TypeError(f"{where}: a field of type {hint} cannot come from a configuration; change the dataclass")
    raise _wrong(where, _name(hint), value)


def _array(value: Any, args: tuple[Any, ...], where: str, folder: Path | None) -> tuple[Any, ...]:
    """Turn a TOML array into a tuple, of one type throughout or of one type a place."""
    if not isinstance(value, list | tuple):
        raise _wrong(where, "an array", value)
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(value) != len(args):
        raise ConfigError(f"{where}: wanted an array of {len(args)} values, came {len(value)}; give {len(args)}")
    pairs = enumerate(zip(value, args, strict=True))
    return tuple(_value(item, kind, f"{where}[{i}]", folder) for i, (item, kind) in pairs)


def _below(where: str, key: str) -> str:
    """Name of a key under a place: ``file: table.key``."""
    return f"{where}.{key}" if ": " in where else f"{where}: {key}"


def _name(hint: Any) -> str:
    """Name a type as a message calls it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_name(arg) for arg in args if arg is not NoneType)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in args)
    if origin is tuple:
        return "an array"
    if is_dataclass(hint) or origin is dict:
        return "a table"
    return "a path (a string that is not empty)" if hint is Path else _TOML_NAMES[hint]


def _wrong(where: str, wanted: str, value: Any) -> ConfigError:
    """Error for a value of a wrong type."""
    came = _TOML_NAMES.get(type(value), f"a {type(value).__name__}")
    return ConfigError(f"{where}: wanted {wanted}, came {came} ({value!r:.60}); change it")
