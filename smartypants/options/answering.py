"""Models of the query program: reranker, LLM, and how answers are made."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from smartypants.credentials import Reference
from smartypants.options.providers import (
    BaseUrl,
    BreakerSettings,
    LLMProvider,
    RetrySettings,
    routed,
)
from smartypants.options.section import Section, Share
from smartypants.options.storage import Options


class RerankerSettings(Section):
    kind: str = Field("cross_encoder", description="Plugin in `smartypants.rerankers`.")
    model: str | None = Field(
        None, description="A folder or hub id. Without one the fused order stands."
    )
    device: str | None = Field(None, description="`cpu`, `cuda`, … Default: what is there.")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of a replica. Default: all cores."
    )
    backend: Literal["auto", "torch", "onnx"] = Field(
        "auto", description="What runs the model, as for `embedder.backend`."
    )
    batch_tokens: PositiveInt | None = Field(
        None,
        description="Padded tokens in one forward pass. Default: what suits the backend.",
    )
    max_batch_requests: PositiveInt = Field(
        8,
        description="Searches whose passages are scored together, at most. More keep a GPU busy; "
        "on a CPU they only wait for each other.",
    )


class LLMSettings(Section):
    kind: str = Field(
        "vllm",
        description="Plugin in `smartypants.llms`: `vllm`, `openai` for any endpoint that speaks "
        "its protocol, or `anthropic`.",
    )
    model: str = Field(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        description="A folder, a hub id, or the id of a model that an installed package carries.",
    )
    served_name: str | None = Field(None, description="The name in `/v1/models`. Default: `model`.")
    max_model_len: PositiveInt = Field(2048, description="Tokens of prompt and answer together.")
    max_num_seqs: PositiveInt = Field(16, description="Sequences that vLLM runs at once.")
    max_stream_interval: PositiveInt = Field(
        8,
        description="Tokens in a piece of a stream, at most, while many streams run: one, and one "
        "more for every six others.",
    )
    threads: PositiveInt | None = Field(
        None, description="CPU threads of an engine without a GPU. Default: all cores but one."
    )
    gpu_memory_utilization: Share = Field(
        0.6, description="Share of a GPU's memory that vLLM takes."
    )
    tensor_parallel_size: PositiveInt = Field(1, description="GPUs that one engine spans.")
    engine: Options = Field(
        default_factory=dict, description="Further vLLM engine arguments, passed as they are."
    )
    api_base: BaseUrl | None = Field(None, description="Base URL of that endpoint.")
    credential: Reference | None = Field(
        None,
        description="Where that endpoint's key is: `env:NAME` or `file:/PATH`, read again for "
        "each request.",
    )
    timeout_s: PositiveFloat = Field(120.0, description="Time limit for a call to that endpoint.")
    providers: dict[str, LLMProvider] = Field(
        default_factory=dict,
        description="Several endpoints by name, instead of the settings for one. See "
        "docs/providers.md.",
    )
    routes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="`MODEL or PATTERN: [provider, …]`, the order of fallback. Default: all "
        "providers that list the model, in their order.",
    )
    default_model: str | None = Field(
        None,
        description="With providers: the model for answers and for understanding queries. "
        "Default: the first.",
    )
    retries: RetrySettings = Field(
        RetrySettings(), description="Within the deadline, and before anything was delivered."
    )
    breaker: BreakerSettings = Field(
        BreakerSettings(), description="The circuit breaker of each provider, in each replica."
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if not self.providers:
            if self.routes or self.default_model:
                raise ValueError("llm.routes and llm.default_model need llm.providers")
            return self
        for name in ("kind", "model", "served_name", "api_base", "credential", "timeout_s"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"llm.{name} and llm.providers exclude each other")
        engines = [found.models for found in self.providers.values() if found.kind == "vllm"]
        if len(engines) > 1 or any(len(models) > 1 for models in engines):
            raise ValueError("one provider can be of the kind vllm, with one model")
        # Where texts go is said, and no vendor is the default.
        if any(found.kind != "vllm" and not found.api_base for found in self.providers.values()):
            raise ValueError("each of llm.providers needs api_base, besides one of the kind vllm")
        models = routed(self.providers, self.routes)
        if self.default_model is not None and self.default_model not in models:
            raise ValueError(f"llm.default_model is none of {', '.join(models)}")
        return self

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        """The names in `/v1/models`, each with its providers in the order of fallback."""
        return routed(self.all_providers, self.routes)

    @property
    def name(self) -> str:
        """The model for answers, by its name in `/v1/models`."""
        return self.default_model or next(iter(self.models))

    @property
    def all_providers(self) -> dict[str, LLMProvider]:
        """Those given, or the one that the other settings describe."""
        if self.providers:
            return self.providers
        only = LLMProvider(
            kind=self.kind,
            models={self.served_name or self.model: self.model},
            api_base=self.api_base,
            credential=self.credential,
            timeout_s=self.timeout_s,
            first_token_timeout_s=self.timeout_s,
            token_timeout_s=self.timeout_s,
            context_window=self.max_model_len,
        )
        return {self.kind: only}

    @property
    def in_graph(self) -> bool:
        """Whether vLLM runs here, for any model."""
        return any(found.kind == "vllm" for found in self.all_providers.values())

    @property
    def local_model(self) -> str | None:
        """What vLLM loads for the model for answers; None where others are asked first."""
        first = self.all_providers[self.models[self.name][0]]
        return first.models[self.name] if first.kind == "vllm" else None

    @property
    def longest_context(self) -> int:
        """Tokens that the model with the most of them takes."""
        return max(
            self.max_model_len if found.kind == "vllm" else found.context_window
            for found in self.all_providers.values()
        )


class AnswerSettings(Section):
    top_k: PositiveInt = Field(
        3, description="Passages for the prompt. Small models are confused by more, large ones not."
    )
    context_tokens: PositiveInt = Field(1200, description="Prompt tokens for passages, at most.")
    max_tokens: PositiveInt = Field(128, description="Tokens of an answer, at most.")
    min_answerability: Share = Field(
        0.35,
        description="If the passages are less likely to hold an answer, by an estimate without a "
        "model call, the answer is `not found`. 0: never. See docs/answers.md.",
    )
    min_support: Share = Field(
        0.6, description="Share of a sentence's content that a passage must carry to be cited."
    )
    sentences: PositiveInt = Field(2, description="Sentences of an extractive answer.")
    first_token_s: PositiveFloat = Field(
        20.0,
        description="Seconds from asking the language model to its first token. One that has said "
        "nothing by then counts as late.",
    )
    fallback: Literal["extractive", "error"] = Field(
        "extractive",
        description="What a request gets when the language model is down, overloaded or late.",
    )
