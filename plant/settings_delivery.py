"""What ``[delivery]`` in ``site.toml`` may say: which controllers there are, how they are reached, and what they take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from plant.deliveries import Kind
from plant.settings_opcua import OpcUaAddress, OpcUaSecurity
from plant.strict import Strict, segment

Name = Annotated[str, Field(min_length=1, max_length=200)]


class ToleranceSettings(Strict):
    """How far a value read back may be off what was sent."""

    name: Annotated[Name, Field(description="parameter; * and ? stand for any letters")]
    absolute: Annotated[float, Field(ge=0, le=1e12, description="in the parameter's unit")] = 0.0
    share: Annotated[float, Field(ge=0, le=1, description="of the value sent; the larger of both holds")] = 0.0


class ControllerBase(Strict):
    """What all controllers have in common."""

    id: str
    work_units: Annotated[tuple[Name, ...], Field(min_length=1, description="globs over work units that it acts for")]
    takes: Annotated[
        tuple[Kind, ...], Field(min_length=1, description="kinds of messages that it is sent; of several controllers the first that fits")
    ] = (Kind.PARAMETERS, Kind.JOB, Kind.CHANGEOVER, Kind.HOLD, Kind.RELEASE, Kind.OFFSETS)
    heartbeat_seconds: Annotated[
        float, Field(gt=0, le=3600, description="it says so often that it is there; three times that in silence: closed loop ends, alarm")
    ] = 5.0
    answer_seconds: Annotated[float, Field(gt=0, le=86_400, description="it says within so long whether it takes a message")] = 30.0
    done_seconds: Annotated[
        float, Field(gt=0, le=604_800, description="and within so long after it took it that it is done; then a person looks")
    ] = 3600.0
    valid_seconds: Annotated[float, Field(gt=0, le=604_800, description="a message is void so long after it was sent")] = 60.0
    tolerances: tuple[ToleranceSettings, ...] = ()
    ai_off: Annotated[str, Field(description="where its switch 'AI off' is read, where heartbeats do not bear it: node id or topic")] = ""

    _id = field_validator("id")(segment)


class OpcUaJobsController(ControllerBase):
    """A controller with a job order receiver as in OPC 10031-4, which Leadhand calls."""

    way: Literal["opcua_jobs"]
    url: OpcUaAddress
    receiver: Annotated[str, Field(description="node id of the job order receiver; found by its type where not given")] = ""
    security: OpcUaSecurity = OpcUaSecurity()
    allow_insecure: Annotated[bool, Field(description="must be true for security policy None; shown on the dashboard")] = False
    username: str | None = None
    password_file: str | None = None
    parameters: Annotated[
        dict[str, str],
        Field(description="node id from which a parameter is read back, by its name (* any); {work_unit} and {name} are replaced"),
    ] = Field(default_factory=dict)
    parts: Annotated[
        dict[str, str],
        Field(description="node id of a String array (name, version) from which what is switched on is read back, by its kind (* any)"),
    ] = Field(default_factory=dict)
    counter: Annotated[str, Field(description="node id where the highest counter taken is read; {work_unit} is replaced")] = ""
    state: Annotated[str, Field(description="node id where its state is read; {work_unit} is replaced")] = ""
    pulse: Annotated[str, Field(description="node id of a UInt32 that our heartbeat is written to; {work_unit} is replaced")] = ""

    @model_validator(mode="after")
    def _secure_by_default(self) -> OpcUaJobsController:
        if self.security.policy == "None" and not self.allow_insecure:
            raise ValueError("security policy None needs 'allow_insecure = true'")
        if self.username is not None and self.security.policy == "None":
            raise ValueError("a password is not sent over security policy None: give the connection a policy, or take out 'username'")
        return self


class OpcUaServerController(ControllerBase):
    """A controller that comes to Leadhand's own OPC UA server for its messages."""

    way: Literal["opcua_server"]
    username: Annotated[str | None, Field(description="account of the controller at our server")] = None
    password_file: str | None = None
    certificate_file: Annotated[str | None, Field(description="or its certificate")] = None

    @model_validator(mode="after")
    def _known(self) -> OpcUaServerController:
        if (self.username is None or self.password_file is None) and self.certificate_file is None:
            raise ValueError("give 'username' and 'password_file', or 'certificate_file'")
        return self


class BrokerController(ControllerBase):
    """What controllers behind a broker have in common."""

    url: Annotated[str, Field(pattern=r"^mqtts?://", description="mqtt://host:port, or mqtts:// with TLS")]
    username: str | None = None
    password_file: str | None = None
    ca_file: Annotated[str | None, Field(description="certificate authority of the broker, for mqtts://")] = None
    allow_anonymous: Annotated[bool, Field(description="must be true to connect without a user; shown on the dashboard")] = False

    @model_validator(mode="after")
    def _anonymous_by_name(self) -> BrokerController:
        if self.username is None and not self.allow_anonymous:
            raise ValueError("give 'username' and 'password_file', or say 'allow_anonymous = true'")
        return self


class MqttController(BrokerController):
    """A controller that is asked over MQTT 5, by request and response."""

    way: Literal["mqtt"]
    prefix: Annotated[str, Field(max_length=400, description="topics begin with it; enterprise/site where not given")] = ""
    questions: Annotated[bool, Field(description="whether it answers what became of a message, and what is in force")] = True


class SparkplugController(BrokerController):
    """An edge node or device that takes commands of Sparkplug B."""

    way: Literal["sparkplug"]
    node: Annotated[str, Field(pattern=r"^[^/+#]+/[^/+#]+(/[^/+#]+)?$", description="group/node or group/node/device")]
    metrics: Annotated[dict[str, str], Field(description="metric of a parameter, by its name; the name itself where not given")] = Field(
        default_factory=dict
    )


class RestController(ControllerBase):
    """A controller that fetches its messages over REST, with a token of its own."""

    way: Literal["rest"]


Controller = Annotated[
    OpcUaJobsController | OpcUaServerController | MqttController | SparkplugController | RestController, Field(discriminator="way")
]


class DeliveryServerSettings(Strict):
    """Leadhand's own OPC UA server, for controllers that fetch."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="0: any that is free")] = 4840
    security: tuple[Literal["Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep"], ...] = (
        "Basic256Sha256",
        "Aes256_Sha256_RsaPss",
    )
    allow_none: Annotated[bool, Field(description="whether anybody may connect without security; shown on the dashboard")] = False


class DeliverySettings(Strict):
    """How recommendations reach line controllers."""

    controllers: tuple[Controller, ...] = ()
    server: DeliveryServerSettings | None = None
    stale_seconds: Annotated[
        float, Field(gt=0, le=604_800, description="nothing is sent that rests on measurements whose newest is older")
    ] = 86_400.0
    offsets_sigma_mm: Annotated[
        float, Field(gt=0, le=100, description="spindles are moved only where each bolt's place is known so well, as a standard deviation")
    ] = 0.5
    offsets_most_mm: Annotated[float, Field(gt=0, le=1000, description="and by so much at most")] = 5.0
    closed_loop_hours: Annotated[float, Field(gt=0, le=8, description="a closed loop lasts so long at most")] = 8.0

    @model_validator(mode="after")
    def _each_once(self) -> DeliverySettings:
        ids = [one.id for one in self.controllers]
        for name in {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"controller '{name}' is given twice")
        if self.server is None and any(one.way == "opcua_server" for one in self.controllers):
            raise ValueError("a controller with way 'opcua_server' needs [delivery.server]")
        return self
