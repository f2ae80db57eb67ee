"""A permissioned network of several validators on this machine, each a real node of its own.

`Network.make` prepares a folder, `up` starts the nodes in the background, `down` ends them; another process opens the
same folder with `Network.open`. Nothing here is needed to use a network that somebody else runs.
"""

from chain.errors import NetworkError
from chain.network.network import Network
from chain.network.status import NodeStatus

__all__ = ["Network", "NetworkError", "NodeStatus"]
