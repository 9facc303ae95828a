"""Which model answers for a role, where it runs, and what it may take. Keys are named here, never stated."""

from typing import Literal

from pydantic import Field

from schemas.record import Record

ROW_FIELDS = frozenset({"kind", "model", "family", "max_pixels"})
"""Fields that rows depend on. The others are places, prices and patience: changing them changes no row."""


class ModelSpec(Record):
    """One model behind one or more servers."""

    kind: Literal["openai", "transformers"] = "openai"
    """An OpenAI-compatible server, or the model in this process."""
    model: str
    """The name that the servers know, or the folder of the model's files."""
    family: str = ""
    """Whose weights these are. Generator and judge of one family are refused unless that is allowed aloud."""
    urls: tuple[str, ...] = ()
    """Servers of the same model, e.g. ``http://gpu1:8000/v1``. The least loaded healthy one is asked."""
    server: Literal["auto", "vllm", "sglang", "transformers", "hosted"] = "auto"
    """What the servers run; decides which options are sent (docs/models.md). auto sends only what all understand."""
    api_key_env: str = "HOPYARD_API_KEY"
    """Name of the environment variable with the key. Servers without keys need none."""
    image_form: Literal["data", "file", "url"] = "data"
    """How pictures travel: inside the request, as a path the server can read, or as an address below image_base."""
    image_base: str = ""
    """Address of the picture folder for ``url``, e.g. ``http://files:9000/photos``."""
    image_root: str = ""
    """The folder that ``image_base`` shows. Pictures outside, and those that have to be changed, are sent as data."""
    allow_remote_images: bool = False
    """Send pictures to other machines even where their domain forbids it."""
    max_pixels: int = Field(default=1_003_520, gt=0)
    """Pictures with more pixels are sent smaller. 1,003,520 = 1280 patches of 28 x 28."""
    input_price: float = Field(default=0.0, ge=0)
    """Money per million input tokens."""
    output_price: float = Field(default=0.0, ge=0)
    """Money per million output tokens."""
    max_in_flight: int = Field(default=64, gt=0)
    """Most requests at once to one server; the client finds out by itself how many below that it bears."""
    max_reply_bytes: int = Field(default=16 << 20, gt=0)
    """Most bytes that a body may have; a longer one is not read to its end, and the request failed."""
    attempts: int = Field(default=6, gt=0)
    """How often a request is sent before its failure stands."""
    call_seconds: float = Field(default=120.0, gt=0)
    """Longest that one attempt may take."""
    row_seconds: float = Field(default=600.0, gt=0)
    """Longest that a request may take with all attempts and waiting between them."""

    @property
    def money_per_token(self) -> tuple[float, float]:
        """Money per input token and per output token."""
        return self.input_price / 1e6, self.output_price / 1e6
