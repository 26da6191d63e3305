"""Names, numbers and the base model of the configuration, and what to write where a name does not fit."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connector.config import paths

# Names of tables and columns: what both databases take without quoting.
NamePattern = r"^[a-z][a-z0-9_]{0,58}$"
SchemaPattern = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
Name = Annotated[str, Field(pattern=NamePattern)]
SchemaName = Annotated[str, Field(pattern=SchemaPattern)]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")]
# A dotted way into a notification's Details, as in ``Order.Row.Position`` (``paths``).
Path = Annotated[str, AfterValidator(paths.checked)]
TopicPattern = r"^[A-Za-z0-9._-]{1,200}$"
TopicPart = Annotated[str, Field(pattern=TopicPattern)]
HookPattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
HookName = Annotated[str, Field(pattern=HookPattern)]
# Nothing that SQL or a URL reads otherwise: a view may have it in its text.
ShopPattern = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}[A-Za-z0-9]$|^[A-Za-z0-9]$"
Shop = Annotated[str, Field(pattern=ShopPattern)]
# What a header's and a query parameter's name may be, a part of a key, and an entity.
HeaderPattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
HeaderName = Annotated[str, Field(pattern=HeaderPattern)]
ParameterPattern = r"^[A-Za-z0-9._~$-]{1,100}$"
ParameterName = Annotated[str, Field(pattern=ParameterPattern)]
PartPattern = r"^[A-Za-z][A-Za-z0-9_]{0,58}$"
PartName = Annotated[str, Field(pattern=PartPattern)]
EntityPattern = r"^[A-Z][A-Za-z0-9]{0,58}$"
EntityName = Annotated[str, Field(pattern=EntityPattern)]
ActionName = Annotated[str, Field(min_length=1)]
# What to write where a name does not match.
PATTERN_CURES = {
    NamePattern: "Write 1 to 59 of the letters a-z, digits and _, a letter first.",
    SchemaPattern: "Write 1 to 63 of the letters A-Z and a-z, digits and _, no digit first.",
    TopicPattern: "Write 1 to 200 letters, digits, points, _ and -.",
    HookPattern: "Write 1 to 64 letters, digits, _ and -, none of the last two first.",
    HeaderPattern: "Write the name of a header: letters, digits, _ and -.",
    ParameterPattern: "Write the name of a query parameter: letters, digits, points, _ and -.",
    PartPattern: "Write 1 to 59 letters, digits and _, a letter first.",
    EntityPattern: "Write 1 to 59 letters and digits, a capital letter first, as in Order.",
    ShopPattern: "Write 1 to 64 letters, digits, blanks, points, _ and -, a letter or digit first and last.",
}
Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
# In milliseconds it is at least one, and Kafka and PostgreSQL count them in 32 bits.
Seconds = Annotated[float, Field(ge=0.001, le=2_000_000)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Stockholm") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
