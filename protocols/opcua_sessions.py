"""Sessions of our own OPC UA server: each sees what its account may see, and commands its own subscriptions only."""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from protocols.opcua_door import check_owner

Hidden = Callable[[str, ua.NodeId], bool]
Call = Callable[[str, ua.CallMethodRequest], Awaitable[ua.CallMethodResult]]
_SERVER: Final = ua.NodeId(ObjectIds.Server)  # type: ignore[arg-type]
_FASTEST_MS, _SLOWEST_MS = 10.0, 60_000.0
_MOST_CONNECTIONS: Final = 200
_MOST_SUBSCRIPTIONS: Final = 1000
_WEAK: Final = ("rsa-sha1", "rsa-1_5")


class ServedServer(Server):
    """asyncua's server with our sessions and our door."""

    def __init__(self, users: UserManager, hidden: Hidden, call: Call) -> None:
        internal = _Internal(users, hidden, call)
        super().__init__(iserver=internal)
        self._internal = internal
        self.make_door: Any = None

    async def start(self) -> None:
        """Listen; what asyncua's does besides is to log of certificates."""
        await self._setup_server_nodes()
        await self.iserver.start()
        self.bserver = self.make_door(self.iserver, self.endpoint.hostname or "", self.endpoint.port or 0, self.limits)
        self.bserver.set_policies(self._policies)
        try:
            await self.bserver.start()
        except OSError:
            await self.iserver.stop()
            raise

    async def tell(self, event: Any, node: ua.NodeId) -> None:
        """Tell an event of a work unit to those who may hear it and listen to the work unit, or to the server as a whole."""
        await self._internal.told.tell(event, node)

    def accounts_now(self) -> frozenset[str]:
        """Return the accounts that have an active session."""
        return frozenset(one.user.name for one in self._internal.sessions() if one.is_activated() and one.user.name)


class _Internal(InternalServer):
    def __init__(self, users: UserManager, hidden: Hidden, call: Call) -> None:
        self.hidden = hidden
        self.call = call
        super().__init__(user_manager=users)
        self.subscription_service = self.told = _Subscriptions(self.aspace, self)
        self.isession.subscription_service = self.subscription_service
        self.allow_remote_admin = False
        self.max_connections = _MOST_CONNECTIONS
        self.max_subscriptions = _MOST_SUBSCRIPTIONS
        self.max_pending_activation_seconds = 10.0
        self.max_session_timeout_ms = 120_000
        self.max_unacked_messages_per_subscription = 100
        self.max_monitored_item_queue_size = 100

    def sessions(self) -> list[InternalSession]:
        """Return the sessions of clients."""
        return list(self._external_sessions.values())

    def create_session(self, name: str, user: User = User(role=UserRole.Anonymous), external: bool = False) -> InternalSession:  # noqa: B008
        return _Session(self, self.aspace, self.subscription_service, name, user=user, external=external)

    def decrypt_user_token(self, isession: Any, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        if (token.EncryptionAlgorithm or "").endswith(_WEAK):
            raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
        return super().decrypt_user_token(isession, token)

    def verify_x509_token(self, isession: Any, token: ua.X509IdentityToken, signature: ua.SignatureData) -> bytes:
        if (signature.Algorithm or "").endswith(_WEAK):
            raise ServiceError(StatusCodes.BadSecurityPolicyRejected)
        return super().verify_x509_token(isession, token, signature)


class _Subscriptions(SubscriptionService):
    """asyncua's subscriptions; an event goes to those whose account may hear it."""

    async def create_subscription(self, params: ua.CreateSubscriptionParameters, *rest: Any, **more: Any) -> ua.CreateSubscriptionResult:
        asked = params.RequestedPublishingInterval
        params.RequestedPublishingInterval = _FASTEST_MS if math.isnan(asked) else min(max(asked, _FASTEST_MS), _SLOWEST_MS)
        return await super().create_subscription(params, *rest, **more)

    async def tell(self, event: Any, node: ua.NodeId) -> None:
        server = self.iserver
        assert isinstance(server, _Internal)  # noqa: S101  # our own subscriptions are made by our own server only
        accounts = {one.session_id: one.user.name or "" for one in server.sessions()}
        for subscription in list(self.subscriptions.values()):
            account = accounts.get(subscription.session_id)
            if account is None or server.hidden(account, node):
                continue
            for emitter in (node, _SERVER):
                told = copy.copy(event)
                told.emitting_node = emitter
                await subscription.monitored_item_srv.trigger_event(told)


class _Session(InternalSession):
    """One client's session."""

    iserver: _Internal

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if self.external:
            # asyncua counts its tokens up: the next one could be guessed
            self.iserver.unregister_external_session(self)
            self.auth_token = ua.NodeId(secrets.token_bytes(32), 0)  # type: ignore[arg-type]
            self.session_id = ua.NodeId(secrets.token_bytes(16), 0)  # type: ignore[arg-type]
            self.iserver.register_external_session(self)

    @property
    def account(self) -> str:
        """Whose session it is; empty before it is activated."""
        return self.user.name or ""

    def hides(self, node: Any) -> bool:
        """Whether its account may not know of a node."""
        return self.iserver.hidden(self.account, ua.NodeId(node.Identifier, node.NamespaceIndex))

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        values = self.iserver.attribute_service.read(params)
        unknown = ua.DataValue(StatusCode=_status(StatusCodes.BadNodeIdUnknown))
        return [unknown if self.hides(one.NodeId) else value for one, value in zip(params.NodesToRead, values, strict=True)]

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        results = self.iserver.view_service.browse(params)
        for asked, result in zip(params.NodesToBrowse, results, strict=True):
            if self.hides(asked.NodeId):
                result.References, result.StatusCode = [], _status(StatusCodes.BadNodeIdUnknown)
            result.References = [one for one in result.References if not self.hides(one.NodeId)]
        return results

    async def translate_browsepaths_to_nodeids(self, params: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        paths = [one for one in params if one.RelativePath.Elements]
        if len(paths) != len(params):
            raise ServiceError(StatusCodes.BadNothingToDo)
        results = self.iserver.view_service.translate_browsepaths_to_nodeids(params)
        for asked, result in zip(params, results, strict=True):
            result.Targets = [one for one in result.Targets if not self.hides(one.TargetId) and not self.hides(asked.StartingNode)]
            if not result.Targets and result.StatusCode.is_good():
                result.StatusCode = _status(StatusCodes.BadNoMatch)
        return results

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        return [await self.iserver.call(self.account, one) for one in params]

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        return [_status(StatusCodes.BadUserAccessDenied) for _ in params.NodesToWrite] if self.external else await super().write(params)

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        results = []
        for one in params.ItemsToCreate:
            wanted = one.ItemToMonitor
            if wanted.NodeId is None or self.hides(wanted.NodeId):
                results.append(ua.MonitoredItemCreateResult(StatusCode=_status(StatusCodes.BadNodeIdUnknown)))
            elif wanted.AttributeId not in (AttributeIds.Value, AttributeIds.EventNotifier):
                results.append(ua.MonitoredItemCreateResult(StatusCode=_status(StatusCodes.BadAttributeIdInvalid)))
            elif wanted.AttributeId == AttributeIds.EventNotifier and not isinstance(one.RequestedParameters.Filter, ua.EventFilter):
                results.append(ua.MonitoredItemCreateResult(StatusCode=_status(StatusCodes.BadMonitoredItemFilterInvalid)))
            else:
                single = ua.CreateMonitoredItemsParameters(params.SubscriptionId, params.TimestampsToReturn, [one])
                results += await super().create_monitored_items(single)
        return results

    async def modify_monitored_items(self, params: ua.ModifyMonitoredItemsParameters) -> list[ua.MonitoredItemModifyResult]:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        for identifier in params.SubscriptionIds:
            check_owner(self.subscription_service.subscriptions, identifier, self.session_id)
        return await super().set_publishing_mode(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        for identifier in ids:
            check_owner(self.subscription_service.subscriptions, identifier, self.session_id)
        return await super().delete_subscriptions(ids)

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        return super().modify_subscription(params)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        check_owner(self.subscription_service.subscriptions, params.SubscriptionId, self.session_id)
        message = super().republish(params)
        if not message.NotificationData:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        return message

    def publish(self, acks: Iterable[ua.SubscriptionAcknowledgement] | None = None) -> tuple[int, list[ua.StatusCode]]:
        own = {key for key, one in self.subscription_service.subscriptions.items() if one.session_id == self.session_id}
        if not own:
            raise ServiceError(StatusCodes.BadNoSubscription)
        given = list(acks or [])
        _, results = super().publish([one for one in given if one.SubscriptionId in own])
        said = iter(results)
        none = _status(StatusCodes.BadSubscriptionIdInvalid)
        return len(own), [next(said) if one.SubscriptionId in own else none for one in given]


def _status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))
