from __future__ import annotations

import pytest

from dashboard.mishaps import told
from dashboard.texts import texts_of
from ingest.sparkplug import _since
from protocols.opcua_client import OpcUaEndpoint, open_session
from protocols.sparkplug_events import Standing

URL = "opc.tcp://10.1.2.3:4840"


async def test_a_server_that_is_away_is_told_in_chinese_as_the_client_says_it() -> None:
    with pytest.raises(Exception, match="not reached") as away:
        await open_session(OpcUaEndpoint("opc.tcp://127.0.0.1:1", policy="None", mode="None"))
    assert told(str(away.value), texts_of("zh")).startswith("无法连接 opc.tcp://127.0.0.1:1")
    assert "firewall" in told(str(away.value), texts_of("en"))


@pytest.mark.parametrize(
    ("sentence", "chinese"),
    [
        (f"{URL}: no answer in time; check that this is an OPC UA server's port, and the network up to it", "未及时应答"),
        (
            f"{URL}: the server says BadUserAccessDenied (0x8): No; check the user 'x', and whether the server trusts our certificate '/o'",
            "拒绝了连接",
        ),
        (
            f"{URL}: the server's certificate (CN=a, 4a) is not trusted; compare its thumbprint, then move '/h/4a.der' into '/h/trusted'",
            "证书不受信任",
        ),
    ],
)
def test_common_mishaps_are_told_in_chinese(sentence: str, chinese: str) -> None:
    assert chinese in told(sentence, texts_of("zh"))
    assert URL in told(sentence, texts_of("en"))


def test_what_is_not_known_is_told_as_it_came() -> None:
    assert told("{odd} sentence", texts_of("zh")) == "{odd} sentence"


def test_how_edge_nodes_are_is_told_in_chinese_as_their_reader_says_it() -> None:
    away = [_since(Standing("north/paint-7", False, 1_790_000_000_000_000)), _since(Standing("north/x", None, 0))]
    sentence = "; ".join(["1 of 3 edge nodes online", *away, "2 signals are in no birth"])
    assert told(sentence, texts_of("en")) == sentence
    chinese = told(sentence, texts_of("zh"))
    assert chinese.startswith("3 个边缘节点中 1 个在线; north/paint-7 自 2026-09-21 14:13:20 UTC 起离线; 尚未收到 north/x 的消息; 2 个信号")
