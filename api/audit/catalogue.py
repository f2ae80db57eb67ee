"""Every kind of divergence: what is wrong, what it means, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Fault(NamedTuple):
    """Chinese sentences for people."""

    title: str
    meaning: str
    action: str


_MIRROR: Final = "从另一镜像或备份取同一文件比对；若各处一致，说明日志本身被改，保留全部文件并通知各部门与见证方。"
_FILES: Final = "运营方可从数据库重建瓦片目录后重新核查；外部审计方应要求对方说明，并保留收到的文件作为证据。"
_ROW: Final = "停止对外服务，保留数据库现状，与备份、瓦片和链上记录逐项比对，查明何时由谁改动。"
_FORK: Final = "保留两个检查点（两份都有签名，可作证据），通知各部门与见证方，停止信任该日志，直至查明。"
_CHAIN: Final = "核对节点地址、链标识与合约地址；若无误，以链上记录为准，查明日志或数据库何时被改。"

FAULTS: Final[Mapping[str, Fault]] = {
    # The published head.
    "checkpoint_missing": Fault("没有检查点", "日志没有公布签名的日志头，其余内容无从比对。", _FILES),
    "checkpoint_malformed": Fault("检查点格式不对", "文件不是 C2SP 检查点，可能被截断或替换。", _FILES),
    "checkpoint_other_log": Fault("检查点属于另一日志", "日志名与信任包或数据库记载不符，可能被调换。", _MIRROR),
    "checkpoint_not_signed": Fault(
        "检查点不是该日志签的", "签名与日志密钥不符：内容被改动，或由别的密钥签署。", _MIRROR
    ),
    "checkpoint_rolled_back": Fault(
        "日志倒退", "公布的日志小于已知更早的日志头：后来的条目被隐藏，或从旧备份恢复。", _FORK
    ),
    "published_root_differs": Fault("条目与检查点的根不符", "公布的条目不能得出已签名的根，条目被改动过。", _MIRROR),
    # Tiles and entries.
    "bundle_missing": Fault("缺少条目瓦片", "日志没有公布它承诺过的条目。", _FILES),
    "bundle_damaged": Fault("条目瓦片不完整", "文件被截断，或长度字段被改。", _FILES),
    "tile_missing": Fault("缺少哈希瓦片", "缺了它，客户端不能取得证明。", _FILES),
    "tile_damaged": Fault("哈希瓦片长度不对", "文件被截断或拼接过。", _FILES),
    "entry_tile_differs": Fault("条目与第 0 层瓦片不符", "条目或其叶子哈希有一个被改动。", _MIRROR),
    "inner_tile_differs": Fault("上层瓦片与重算结果不符", "该层瓦片被改动，由它得出的证明都是假的。", _MIRROR),
    "entry_malformed": Fault("条目不能解读", "不是规定格式的签名条目。", _MIRROR),
    "entry_bad_signature": Fault("条目签名不符", "内容在部门签名之后被改动，或不是该密钥签的。", _FORK),
    "entry_unknown_key": Fault("条目由不明密钥签署", "信任包（或数据库）中没有这个密钥。", _FORK),
    "entry_key_out_of_time": Fault("条目由失效密钥签署", "该密钥在条目记载的时间不在有效期内。", _FORK),
    "entry_key_of_another": Fault("条目由别的部门签署", "签名密钥不属于条目所写的部门，或不得签署条目。", _FORK),
    "entry_out_of_scope": Fault("超出部门权限", "该部门当时无权颁发这一类型。", _FORK),
    "entry_duplicated": Fault("条目重复", "同一内容在日志中占了两个序号。", _FORK),
    # Heads that others keep.
    "checkpoint_row_differs": Fault("检查点记录与重算的根不符", "数据库中的检查点或日志条目被改动。", _ROW),
    "checkpoint_note_differs": Fault("检查点记录自相矛盾", "签名文本与同一行的大小、根、密钥或时间不符。", _ROW),
    "checkpoint_frontier_differs": Fault("检查点的前沿不符", "下一次追加会从错误的前沿长出另一棵树。", _ROW),
    "cosignature_differs": Fault("见证签名不符", "见证方的签名与检查点不符，被改动或伪造。", _FORK),
    "trust_head_differs": Fault("与信任包中的日志头不符", "信任包记载的日志头不是这个日志的。", _FORK),
    "earlier_audit_differs": Fault("与上次核查时的日志不符", "上次核查之后，日志的旧部分被改写。", _FORK),
    "not_append_only": Fault("日志头之间不连续", "较新的日志头没有包含较旧日志头的全部条目。", _FORK),
    # The chain.
    "chain_head_differs": Fault("链上日志头与日志不符", "链上锚定的是另一个根。", _CHAIN),
    "chain_ahead": Fault("链上日志头超出公布的日志", "链上已锚定的条目没有公布：日志倒退或被隐藏。", _CHAIN),
    "chain_not_growing": Fault("链上日志头没有依次增大", "合约只接受更大的日志头；节点给出的事件不可信。", _CHAIN),
    "chain_newest_differs": Fault("合约状态与事件不符", "节点给出的最新日志头与最后一次事件不同。", _CHAIN),
    "chain_other_code": Fault("合约代码不符", "该地址上不是随证的合约。", _CHAIN),
    "anchor_row_differs": Fault("锚定记录与重算的根不符", "数据库中的锚定记录被改动。", _ROW),
    "anchor_not_on_chain": Fault(
        "锚定记录不在链上", "链上没有这个日志头的事件：记录是伪造的，或节点不是同一条链。", _CHAIN
    ),
    "anchor_differs_from_chain": Fault("锚定记录与链上不符", "区块、交易或时间与链上事件不同。", _ROW),
    "anchor_proof_differs": Fault("链上证明不成立", "随证据包发出的区块头或存储证明不能证明这一锚定。", _ROW),
    "trust_head_not_on_chain": Fault("信任包中的日志头不在链上", "信任包所说的锚定在这条链上找不到。", _CHAIN),
    # The database.
    "entry_row_missing": Fault("数据库缺少条目", "已公布的条目在数据库中没有。", _ROW),
    "entry_row_differs": Fault("数据库的条目与日志不符", "该序号上的条目、哈希或摘要与公布的不同。", _ROW),
    "entry_row_fields_differ": Fault("条目的检索字段不符", "数据库所写的事项、部门、种类或时间与签名内容不同。", _ROW),
    "entry_row_beyond": Fault("序号与日志大小不符", "有条目的序号不在任何签名的日志头之内，或序号有缺口。", _ROW),
    "entry_link_differs": Fault("条目的前后关联不符", "条目所指的前一条目不是同一事项的上一条。", _ROW),
    "key_row_differs": Fault("密钥记录与信任包不符", "数据库中的密钥、归属或有效期被改动。", _ROW),
    "item_without_entry": Fault("登记内容没有存证", "数据库中的记录在日志里没有对应条目。", _ROW),
    "entry_without_item": Fault("存证条目没有登记内容", "日志中有此条目，对应的数据库记录被删除。", _ROW),
    "item_digest_differs": Fault("登记内容与存证摘要不符", "记录的摘要与部门签名的条目不同。", _ROW),
    "item_content_differs": Fault("登记内容被改动", "内容或盐值重算不出所存摘要。", _ROW),
    "item_facts_differ": Fault("登记字段与存证不符", "类型、状态位置等与签名条目或内容不同。", _ROW),
    "status_sequence_broken": Fault("状态事件不连续", "状态事件的顺序号或前后状态接不上，有事件被删除或插入。", _ROW),
    "status_not_latest": Fault("现行状态与事件不符", "证照、材料或状态列表所写的状态不是最后一次事件的结果。", _ROW),
    "visit_missing": Fault("通行记录缺少或多出", "上交时有的通行记录被删除、改挂，或添加了没有上交过的。", _ROW),
    "visit_differs": Fault("通行记录被改动", "由它重算不出闸口日志中的那一行，或上交时签署的最后一行。", _ROW),
    "use_unconsumed": Fault("一次性用证没有占用记录", "条目是一次性用证，但占用记录被删除，可被再次使用。", _ROW),
    "consumption_differs": Fault("占用记录不符", "占用记录与用证的承诺、部门或材料不同。", _ROW),
    "consumption_not_on_chain": Fault("占用记录与链上不符", "链上的首次使用与数据库所写不同。", _CHAIN),
    "consumption_missing": Fault("链上的占用没有登记", "本机构在链上的首次使用在数据库中没有记录。", _ROW),
    "file_missing": Fault("缺少存档文件", "数据库记载的文件不在文件库中。", "从备份恢复该文件后重新核查。"),
    "file_differs": Fault("存档文件被改动", "文件的摘要或大小与登记时不同。", "从备份恢复该文件，并查明何时被改。"),
}
