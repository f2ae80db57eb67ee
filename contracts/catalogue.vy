# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title Catalogue
@license Apache-2.0
@notice Which catalogue entries hold across the network, and since when:
        for each kind, code and version the digest of its canonical
        bytes. The entries themselves are published off the chain;
        whoever has one can tell from the digest that it is the one.
@dev An entry belongs to the department with whose 18-character code its
     own code begins. That department publishes it while it is active;
     the governor publishes any.
     A repeated call is a no-op with the same answer.
@custom:security A version is never replaced and none is left out. No
                 personal data: codes of catalogue entries and digests
                 of public documents only.
"""

interface Members:
    def governor() -> address: view
    def active_department(account: address) -> bytes32: view

# Kinds: 1 type, 2 schema, 3 data standard, 4 duty catalogue, 5 data catalogue.
LAST_KIND: constant(uint256) = 5
# What follows the first 18 bytes of a bytes32, in bits.
BEHIND_CODE: constant(uint256) = 112

struct Version:
    # block number << 224 | block time << 160 | account
    meta: uint256
    digest: bytes32

event Published:
    kind: indexed(uint256)
    code: indexed(bytes32)
    version: indexed(uint256)
    digest: bytes32
    account: address

MEMBERS: public(immutable(address))

# The newest version by kind and code; versions are 1, 2, 3 …
newest: public(HashMap[uint256, HashMap[bytes32, uint256]])
_versions: HashMap[uint256, HashMap[bytes32, HashMap[uint256, Version]]]


@deploy
def __init__(members: address):
    """
    @notice Ties this contract to its members contract for ever.
    @param members The 20-byte address of the members contract.
    """
    assert members.is_contract, "catalogue: no members contract"
    MEMBERS = members


@external
def publish(kind: uint256, code: bytes32, version: uint256, digest: bytes32) -> uint256:
    """
    @notice Publishes the next version of an entry.
    @dev Reverts for a caller whose entry it is not, for a version that
         leaves one out, and for another digest of a published version.
    @param kind 1 type, 2 schema, 3 data standard, 4 duty catalogue,
           5 data catalogue.
    @param code The code of the entry in ASCII, filled up with zeros to
           32 bytes.
    @param version Its version: the newest one and 1 more.
    @param digest The 32-byte SHA-256 of its canonical bytes.
    @return The second in which this version was published first.
    """
    self._check_publisher(code)
    assert kind > 0 and kind <= LAST_KIND, "catalogue: kind"
    assert code != empty(bytes32) and digest != empty(bytes32), "catalogue: no code or digest"
    newest: uint256 = self.newest[kind][code]
    if version > 0 and version <= newest:
        assert self._versions[kind][code][version].digest == digest, "catalogue: differs"
        return (self._versions[kind][code][version].meta >> 160) & (2**64 - 1)
    assert version == newest + 1, "catalogue: leaves versions out"
    # The parts cannot overlap: 160 bits, a time below 2**64 and a block number below 2**32.
    assert block.number < 2**32, "catalogue: block number"
    self._versions[kind][code][version] = Version(
        meta=block.number << 224 | block.timestamp << 160 | convert(msg.sender, uint256), digest=digest
    )
    self.newest[kind][code] = version
    log Published(kind=kind, code=code, version=version, digest=digest, account=msg.sender)
    return block.timestamp


@external
@view
def published(kind: uint256, code: bytes32, version: uint256) -> (bytes32, uint256, uint256, address):
    """
    @notice One version of an entry.
    @param kind 1 to 5, as in `publish`.
    @param code The 32-byte code of the entry.
    @param version Its version.
    @return Its 32-byte digest, the second and the number of the block in
            which it was published, and the account that did; zeros if
            nobody did.
    """
    found: Version = self._versions[kind][code][version]
    return (
        found.digest,
        (found.meta >> 160) & (2**64 - 1),
        found.meta >> 224,
        convert(found.meta & (2**160 - 1), address),
    )


@internal
@view
def _check_publisher(code: bytes32):
    """
    @dev Reverts unless the caller is the governor, or acts for the
         active department with whose code the entry's begins.
    @param code The 32-byte code of the entry.
    """
    if msg.sender == staticcall Members(MEMBERS).governor():
        return
    department: uint256 = convert(staticcall Members(MEMBERS).active_department(msg.sender), uint256)
    assert department != 0, "catalogue: not an active member"
    begins_alike: bool = convert(code, uint256) >> BEHIND_CODE == department >> BEHIND_CODE
    assert begins_alike and department << (256 - BEHIND_CODE) == 0, "catalogue: not its department"
