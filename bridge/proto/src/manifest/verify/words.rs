//! What each finding is called.

use super::report::Code;

/// In Chinese and in English.
pub(super) const fn of(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::LineEdited => ("清单中的一行被改动", "a line of the manifest was changed"),
        Code::LineDamaged => ("清单中的一行无法读取", "a line of the manifest can't be read"),
        Code::LinesMissing => ("清单缺行", "lines of the manifest are missing"),
        Code::LineForeign => {
            ("清单中有重复、错序或外来的行", "a line of the manifest is repeated, out of order or foreign")
        }
        Code::LineMisplaced => ("清单中有一行不该在此处", "a line of the manifest stands where it may not"),
        Code::HeadForged => ("清单首部不是该节点签署的", "a head is not what its node signed"),
        Code::RootMismatch => ("检查点与其前各行不符", "a checkpoint does not fit the lines before it"),
        Code::SignatureInvalid => ("庭审密钥的签名无效", "the signature by the hearing's key is not valid"),
        Code::CertificateInvalid => {
            ("签署时证书未生效、已过期或已吊销", "the certificate was not valid, or revoked, when it signed")
        }
        Code::CosignatureForged => ("见证签名无效", "a witness's signature is not valid"),
        Code::SealForged => ("封存与最后检查点不符", "the seal does not fit the final checkpoint"),
        Code::AddendumForged => ("封存后的补记不是该节点签署的", "a line after the seal is not signed by the node"),
        Code::WitnessDisagrees => ("见证节点看到的是另一份记录", "a witness saw another history"),
        Code::WitnessSawMore => {
            ("见证节点看到的比现有的多：末尾被截去", "a witness saw more than there is: the end was cut off")
        }
        Code::ValueDiffers => ("完整性校验值与当事人签署的不同", "the integrity value is not the one that was signed"),
        Code::OtherHearing => ("这是另一场庭审的记录", "this is the record of another hearing"),
        Code::ClockUndeclared => ("时钟被拨动而记录未说明", "the wall clock was moved and the record does not say so"),
        Code::ClockImpossible => ("单调时钟倒退或机器不同", "the monotonic clock goes back, or the machine changed"),
        Code::FileMissing => ("文件缺失", "a file is missing"),
        Code::FileEdited => ("文件内容被改动", "a file was changed"),
        Code::FileTruncated => ("文件被截短", "a file was cut off"),
        Code::FilesSwapped => ("文件被对调", "files were exchanged"),
        Code::FileExtended => ("文件末尾被添加内容", "something was appended to a file"),
        Code::FileExtra => ("多出一个文件", "there is a file that does not belong here"),
        Code::SpansBroken => ("清单所述的字节段不连续", "the spans of a file don't follow each other"),
        Code::NotTrusted => ("证书不出自受信任的根", "the certificate does not lead to a trusted root"),
        Code::NoManifest => ("没有可读的清单", "there is no manifest that can be read"),
        Code::Unreadable => ("文件无法读取", "a file can't be read"),
        Code::Unknown => ("格式或算法未知", "the format or an algorithm is not known"),
        Code::WitnessSilent => ("见证文件未提及本记录", "the witness's file says nothing of this record"),
        Code::NotSealed => ("记录未封存", "the record has no seal"),
        Code::Restarted => ("录制进程曾重新启动", "the recorder was restarted"),
        Code::UnsignedTail => ("末尾若干行尚未签名", "the last lines are not signed"),
        Code::UncoveredTail => ("末尾内容未被清单覆盖", "something at the end is not covered by the manifest"),
        Code::SetAside => ("崩溃遗留的内容，已另行标明", "left by a crash, and set aside"),
        Code::Stale => ("文件停留在较早的版本", "a file is as it was earlier"),
        Code::GapDeclared => ("缺口，记录已说明", "a gap that the record declares"),
        Code::GapUndeclared => ("缺口，记录未说明", "a gap that the record does not declare"),
        Code::GapFilledLater => (
            "缺口，封存后由补记的媒体补上（由节点签署，不含在完整性校验值内）",
            "a gap that media which was added after the seal fills (signed by the node, not held by the integrity value)",
        ),
        Code::AdditionMissing => ("封存后补记的文件缺失", "a file that was added after the seal is missing"),
        Code::GapFilled => ("缺口，已由迟到的媒体补上", "a gap that media which came late fills"),
        Code::ClockStepped => ("时钟曾被拨动，记录已说明", "the wall clock was moved, as the record says"),
        Code::ClocksDiffer => ("本地时钟与见证节点时钟不一致", "the clocks of the node and its witness differ"),
    }
}
