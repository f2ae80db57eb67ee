"""The network as one object."""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from chain.errors import NetworkError
from chain.network.ipc import ANSWERS_SECONDS, ask
from chain.network.layout import Engine, Layout
from chain.network.making import ENGINES, make_layout
from chain.network.ports import is_free
from chain.network.processes import Process
from chain.network.programs import find
from chain.network.status import NodeStatus, block_time, in_touch, is_tie

# The district's administrative code (GB/T 2260).
CHAIN_ID = 310105
FIRST_HTTP_PORT, FIRST_PEER_PORT = 8545, 30303

_POLL_SECONDS = 0.1
# A signal takes effect when the process gets its turn.
_STANDS_SECONDS = 30.0
# Longer than a call that was under way when the connections were cut takes to come through.
_STAYS_CUT_SECONDS = 2.0
# Nodes that were cut off call again after half a minute at the latest.
_TAKES_OVER_SECONDS = 60.0
_LOG_TAIL = 400


class Network:
    """Several validators on loopback. Nodes are named by their number, from 0.

    Every method raises NetworkError with what to do next.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._engine = ENGINES[layout.engine]
        self._processes = [Process(layout.folder_of(member)) for member in layout.members]
        # Who cuts connections and who restores them wait for one another.
        self._connecting = threading.RLock()

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        validators: int = 4,
        period_seconds: int = 1,
        engine: Engine = "clique",
        chain_id: int = CHAIN_ID,
        ports: Sequence[int] | None = None,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Network:
        """Prepare a network in an empty or missing folder; nothing runs yet.

        ports: two for each validator, HTTP ones first; free ones are chosen if it is None.
        draw: randomness for the keys; the same bytes make the same genesis.
        """
        return cls(make_layout(folder, validators, period_seconds, engine, chain_id, ports, draw))

    @classmethod
    def open(cls, folder: Path) -> Network:
        """The network that was made in this folder."""
        layout = Layout.read(folder.resolve())
        if layout is None:
            raise NetworkError("no_network", f"目录 {folder} 里没有网络；请先运行 suizheng network up")
        return cls(layout)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each node answers JSON-RPC."""
        return tuple(member.url for member in self.layout.members)

    @property
    def size(self) -> int:
        """How many validators it was made with."""
        return len(self.layout.members)

    @property
    def quorum(self) -> int:
        """With how many connected validators blocks are still made."""
        return int(self._engine.quorum(self.size))

    # the whole network

    def up(self, timeout_seconds: float = 90.0, say: Callable[[str], None] = lambda _line: None) -> None:
        """Start what does not run; returns when every node answers, knows the others, and blocks are being made."""
        idle = [number for number in range(self.size) if self._processes[number].state() == "stopped"]
        try:
            self._start_all(idle, time.monotonic() + timeout_seconds, say)
        except BaseException:
            # Also at Ctrl+C: what this call began does not stay behind half done.
            for number in idle:
                self.stop(number)
            raise

    def down(self) -> None:
        """End every node; harmless when none runs. What they hold stays for the next `up`."""
        with ThreadPoolExecutor(self.size) as pool:
            list(pool.map(Process.stop, self._processes))

    def status(self) -> list[NodeStatus]:
        """What each node says, asked side by side. Never raises."""
        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(self._status_of, range(self.size)))

    def wait_for_height(self, height: int, nodes: Sequence[int] | None = None, timeout_seconds: float = 60.0) -> None:
        """Return when these nodes, by default all, have a block of this number."""
        deadline = time.monotonic() + timeout_seconds
        chosen = range(self.size) if nodes is None else nodes
        self._wait_until_each(chosen, lambda number: self._height(number) >= height, deadline, f"到达区块 {height}")

    def wait_for_agreement(
        self, height: int, nodes: Sequence[int] | None = None, timeout_seconds: float = 60.0
    ) -> None:
        """Return when these nodes, by default all, have the same block of this number."""
        deadline = time.monotonic() + timeout_seconds
        chosen = range(self.size) if nodes is None else nodes
        self._wait(lambda: self._agree(height, chosen), deadline, f"就区块 {height} 达成一致")

    def _agree(self, height: int, nodes: Sequence[int]) -> bool:
        hashes = {self._hash_at(number, height) for number in nodes}
        return len(hashes) == 1 and None not in hashes

    def _agree_at_last(self, height: int) -> bool:
        """The same of all nodes; a tie that keeps them from it is broken."""
        self.break_tie()
        return self._agree(height, range(self.size))

    # one node

    def start(self, number: int, timeout_seconds: float = 60.0) -> None:
        """Start a node; returns when it answers. Harmless while it runs."""
        if self._processes[number].state() == "stopped":
            self._launch(number, find(self._engine.PROGRAM), time.monotonic() + timeout_seconds)
            self._engine.begin(self.layout, self.layout.members[number])

    def stop(self, number: int) -> None:
        """Ask a node to end, and wait for it."""
        self._processes[number].stop()

    def kill(self, number: int) -> None:
        """End a node without warning, as a crash does."""
        self._processes[number].kill()

    def suspend(self, number: int) -> None:
        """Stop a node's time; returns when it stands. Its connections stay open and it answers nothing."""
        process = self._processes[number]
        process.signal(signal.SIGSTOP)
        self._wait(lambda: process.state() != "running", time.monotonic() + _STANDS_SECONDS, "暂停节点")

    def resume(self, number: int) -> None:
        """Let a suspended node go on."""
        self._processes[number].signal(signal.SIGCONT)

    # who talks to whom

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut every connection between these groups of nodes; returns when it has stayed cut for a while."""
        with self._connecting:
            self._cut(groups)

    def _cut(self, groups: Sequence[Sequence[int]]) -> None:
        pairs = list(self._pairs(groups))
        sizes = {number: len(group) for group in groups for number in group}
        deadline, cut_since = time.monotonic() + 60, None
        self._ask_of(pairs, "admin_removePeer")

        def stays_cut() -> bool:
            nonlocal cut_since
            now = time.monotonic()
            if any(self._peers(number) >= size for number, size in sizes.items()):
                # Whoever was called before the cut, or not yet asked to hang up, may have connected meanwhile.
                self._ask_of(pairs, "admin_removePeer")
                cut_since = None
                return False
            cut_since = now if cut_since is None else cut_since
            return now - cut_since >= _STAYS_CUT_SECONDS

        self._wait(stays_cut, deadline, "断开连接")

    def heal(self) -> None:
        """Connect all nodes that run to each other again."""
        with self._connecting:
            alive = [number for number in range(self.size) if self._processes[number].state() == "running"]
            self._ask_of(self._pairs([[number] for number in alive]), "admin_addPeer")
            deadline = time.monotonic() + 60
            self._wait_until_each(alive, lambda number: self._peers(number) >= len(alive) - 1, deadline, "恢复连接")

    def break_tie(self) -> bool:
        """Let signers that block one another go on; whether there was such a tie. Other engines than Clique have none.

        Where as many signers are there as are needed and no more, they may come to sit on rival blocks of the same
        weight: none may sign again so soon, and none gives up a block for one that weighs the same. All but those on
        one of the blocks drop theirs and take it.
        """
        with self._connecting:
            return self._break_tie()

    def _break_tie(self) -> bool:
        alive = in_touch(self.status())
        if not self._engine.CAN_TIE or not is_tie(list(alive.values()), self.layout.period_seconds, datetime.now(UTC)):
            return False
        heads = [one.head for one in alive.values() if one.head is not None]
        chosen = max(heads, key=lambda head: (heads.count(head), head))
        keeper = next(number for number, one in alive.items() if one.head == chosen)
        for number in (number for number, one in alive.items() if one.head != chosen):
            self._take_over_from(keeper, number, list(alive))
        return True

    def _take_over_from(self, keeper: int, number: int, alive: Sequence[int]) -> None:
        """Let a node drop what the keeper has not, and take the keeper's blocks before it signs again."""
        member, pairs = (
            self.layout.members[number],
            self._pairs([[number], [other for other in alive if other != number]]),
        )
        height = self._height(keeper)
        common = min(height, self._height(number)) - 1
        while common > 0 and self._hash_at(keeper, common) != self._hash_at(number, common):
            common -= 1
        try:
            self._engine.forget(self.layout, member, common)
            # Nodes tell one another their newest block only when they meet.
            self._ask_of(pairs, "admin_removePeer")
            deadline = time.monotonic() + _TAKES_OVER_SECONDS
            self._wait(lambda: self._peers(number) == 0, deadline, "解开僵持")
            self._ask_of(pairs, "admin_addPeer")
            self._wait(lambda: self._height(number) >= height, deadline, "解开僵持")
        finally:
            self._engine.begin(self.layout, member)

    # who may seal

    def validators(self, number: int = 0) -> list[str]:
        """The addresses that may seal the next block, as a node says."""
        found: list[str] = self._engine.validators(self.layout, self.layout.members[number])
        return found

    def vote(self, number: int, address: str, belongs: bool) -> None:
        """Let a node vote for or against a validator; more than half of the votes decide."""
        self._engine.vote(self.layout, self.layout.members[number], address, belongs)

    def _ask_of(self, pairs: Iterable[tuple[int, int]], method: str) -> None:
        """Ask the first node of each pair to do something about the second."""
        for one, other in pairs:
            self._ask(one, method, self.layout.members[other].enode)

    def _start_all(self, idle: Sequence[int], deadline: float, say: Callable[[str], None]) -> None:
        if idle:
            program = find(self._engine.PROGRAM)
            self._check_ports(idle)
            say(f"正在启动 {len(idle)} 个节点…")
            with ThreadPoolExecutor(self.size) as pool:
                list(pool.map(lambda number: self._initialise(number, program), idle))
            # One after the other: each finds those before it listening, while a call in vain is repeated only later.
            for number in idle:
                self._launch(number, program, deadline)
        for number in range(self.size):
            self.resume(number)
        say("节点已启动，等待互相连接并出块…")
        # A node that was cut off from others has forgotten them.
        self._ask_of(self._pairs([[number] for number in range(self.size)]), "admin_addPeer")
        self._wait_until_each(
            range(self.size), lambda number: self._peers(number) >= self.size - 1, deadline, "互相连接"
        )
        for member in self.layout.members:
            self._engine.begin(self.layout, member)
        least = max(map(self._height, range(self.size))) + 1
        self._wait(partial(self._agree_at_last, least), deadline, f"就区块 {least} 达成一致")
        for number in range(self.size):
            if self._processes[number].state() == "stopped":
                raise self._ended(number)

    def _initialise(self, number: int, program: Path) -> None:
        self._engine.initialise(self.layout, self.layout.members[number], program)

    def _launch(self, number: int, program: Path, deadline: float) -> None:
        member, process = self.layout.members[number], self._processes[number]
        self._initialise(number, program)
        process.start(self._engine.command(self.layout, member, program))
        while True:
            try:
                self._engine.make_ready(self.layout, member)
                return
            except NetworkError as error:
                if process.state() == "stopped":
                    raise self._ended(number) from error
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_POLL_SECONDS)

    def _ended(self, number: int) -> NetworkError:
        """Why a node that should run does not, in its own words."""
        log = self._processes[number].log
        tail = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
        name = self.layout.members[number].name
        return NetworkError("node_ended", f"{name} 启动后退出了；请查看 {log}。最后的输出：\n{tail}")

    def _check_ports(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            member = self.layout.members[number]
            for port in (member.http_port, member.peer_port):
                if not is_free(port):
                    raise NetworkError(
                        "port_taken",
                        f"端口 {port} 已被占用，{member.name} 无法启动；请停掉占用它的程序，或换一个目录与端口",
                    )

    def _status_of(self, number: int) -> NodeStatus:
        member, state = self.layout.members[number], self._processes[number].state()
        if state != "running":
            return NodeStatus.silent(member, state)
        try:
            block = self._ask(number, "eth_getBlockByNumber", "latest", False, timeout_seconds=2.0)
            height = int(block["number"], 16)
            return NodeStatus(
                name=member.name,
                url=member.url,
                state=state,
                height=height,
                head=bytes.fromhex(block["hash"][2:]),
                block_at=block_time(block["timestamp"]),
                sealer=self._engine.sealer(self.layout, member, block["hash"]) if height else None,
                peers=self._peers(number),
            )
        except NetworkError:
            return NodeStatus.silent(member, state)

    def _pairs(self, groups: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
        """Every ordered pair of nodes from different groups."""
        return [
            (one, other)
            for place, group in enumerate(groups)
            for against, others in enumerate(groups)
            if place != against
            for one in group
            for other in others
        ]

    def _ask(self, number: int, method: str, *parameters: object, timeout_seconds: float = ANSWERS_SECONDS) -> Any:
        path = self.layout.socket_of(self.layout.members[number])
        return ask(path, method, *parameters, timeout_seconds=timeout_seconds)

    def _height(self, number: int) -> int:
        return int(str(self._ask(number, "eth_blockNumber")), 16)

    def _hash_at(self, number: int, height: int) -> str | None:
        block = self._ask(number, "eth_getBlockByNumber", hex(height), False)
        return None if block is None else str(block["hash"])

    def _peers(self, number: int) -> int:
        return int(str(self._ask(number, "net_peerCount")), 16)

    def _wait_until_each(
        self, numbers: Iterable[int], is_done: Callable[[int], bool], deadline: float, what: str
    ) -> None:
        for number in numbers:
            self._wait(partial(is_done, number), deadline, what)

    def _wait(self, is_done: Callable[[], bool], deadline: float, what: str) -> None:
        while not _at_last(is_done):
            if time.monotonic() >= deadline:
                raise NetworkError(
                    "too_slow",
                    f"等待网络{what}超时；请用 suizheng network status 查看各节点，日志在 {self.layout.folder}",
                )
            time.sleep(_POLL_SECONDS)


def _at_last(is_done: Callable[[], bool]) -> bool:
    """Whether it is done; not yet, where a node is too busy to say so."""
    try:
        return is_done()
    except NetworkError as error:
        if error.reason != "node_slow":
            raise
        return False
