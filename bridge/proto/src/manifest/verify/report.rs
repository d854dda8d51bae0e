//! What the verifier found, and what follows from it.

use serde::Serialize;

use super::words;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Whole and genuine.
    Intact,
    /// Changed, cut, reordered or forged.
    Tampered,
    /// Genuine as far as it goes; what is missing is named.
    Incomplete,
    /// Nothing speaks against it, but something that is needed to judge is missing.
    #[default]
    CannotJudge,
}

impl Verdict {
    /// The exit code of `hearing record verify`.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Tampered => 1,
            Self::Incomplete => 2,
            Self::CannotJudge => 3,
        }
    }
}

/// What can be found. The name in JSON is the word in docs/ref/record.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A line was changed, or the one after it.
    LineEdited,
    /// A line can't be read.
    LineDamaged,
    /// Lines are missing.
    LinesMissing,
    /// A line stands twice, or out of order, or comes from elsewhere.
    LineForeign,
    /// A line stands where none of its kind may.
    LineMisplaced,
    /// A head is not signed by its node, or does not fit the one before.
    HeadForged,
    /// A root is not that of the lines before.
    RootMismatch,
    /// A checkpoint or seal is not signed by the hearing's key.
    SignatureInvalid,
    /// A certificate had not begun, had ended, or was revoked when it signed.
    CertificateInvalid,
    /// A cosignature is not the witness's, or not of this record.
    CosignatureForged,
    /// The seal does not fit the final checkpoint.
    SealForged,
    /// A line after the seal is not signed by the node.
    AddendumForged,
    /// A witness saw another history.
    WitnessDisagrees,
    /// A witness saw more lines than there are.
    WitnessSawMore,
    /// The parties signed another integrity value.
    ValueDiffers,
    /// The record is that of another hearing.
    OtherHearing,
    /// The wall clock was moved and no entry says so.
    ClockUndeclared,
    /// The monotonic clock went back, or the machine changed without a head.
    ClockImpossible,
    /// A covered file is not there.
    FileMissing,
    /// Covered bytes of a file were changed.
    FileEdited,
    /// A file is shorter than what is covered.
    FileTruncated,
    /// Two files were exchanged.
    FilesSwapped,
    /// A sealed record has bytes that no line covers.
    FileExtended,
    /// A sealed record has a file that no line names.
    FileExtra,
    /// Spans leave bytes out or cover some twice.
    SpansBroken,
    /// No root is trusted that the certificate leads to.
    NotTrusted,
    /// There is no manifest that can be read.
    NoManifest,
    /// A file can't be read.
    Unreadable,
    /// The format or an algorithm is newer than this verifier.
    Unknown,
    /// The witness's file says nothing of this record.
    WitnessSilent,
    /// The record has no seal: it goes on, or a crash ended it.
    NotSealed,
    /// The recorder was restarted.
    Restarted,
    /// Lines that no checkpoint signs.
    UnsignedTail,
    /// Bytes that no line covers: the end of a crash.
    UncoveredTail,
    /// Bytes that a crash left and that the restarted recorder set aside.
    SetAside,
    /// A replaced file is as an earlier line says.
    Stale,
    /// Something is missing, and the record says so.
    GapDeclared,
    /// Something is missing, and the record does not say so.
    GapUndeclared,
    /// Something did not come in time, and came only after the seal: the node vouches for it, the integrity value does not hold it.
    GapFilledLater,
    /// What an addendum names is not there: a crash came between the addendum and its file.
    AdditionMissing,
    /// Something did not come in time, and came later, before the seal.
    GapFilled,
    /// The wall clock was moved, and the record says so.
    ClockStepped,
    /// The clocks of home and witness differ.
    ClocksDiffer,
}

impl Code {
    /// What it means for the record as a whole; `None` when it is only worth telling.
    #[must_use]
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::LineEdited
            | Self::LineDamaged
            | Self::LinesMissing
            | Self::LineForeign
            | Self::LineMisplaced
            | Self::HeadForged
            | Self::RootMismatch
            | Self::SignatureInvalid
            | Self::CertificateInvalid
            | Self::CosignatureForged
            | Self::SealForged
            | Self::AddendumForged
            | Self::WitnessDisagrees
            | Self::WitnessSawMore
            | Self::ValueDiffers
            | Self::OtherHearing
            | Self::ClockUndeclared
            | Self::ClockImpossible
            | Self::FileMissing
            | Self::FileEdited
            | Self::FileTruncated
            | Self::FilesSwapped
            | Self::FileExtended
            | Self::FileExtra
            | Self::SpansBroken => Some(Verdict::Tampered),
            Self::NotTrusted | Self::NoManifest | Self::Unreadable | Self::Unknown | Self::WitnessSilent => {
                Some(Verdict::CannotJudge)
            }
            Self::NotSealed
            | Self::Restarted
            | Self::UnsignedTail
            | Self::UncoveredTail
            | Self::SetAside
            | Self::Stale
            | Self::GapDeclared
            | Self::GapUndeclared
            | Self::GapFilledLater
            | Self::AdditionMissing => Some(Verdict::Incomplete),
            Self::GapFilled | Self::ClockStepped | Self::ClocksDiffer => None,
        }
    }

    /// In Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        words::of(self).0
    }

    /// In English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        words::of(self).1
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// The line of the manifest.
    pub entry: Option<u64>,
    /// The file.
    pub file: Option<String>,
    /// The track: `<seat>-<kind>`.
    pub track: Option<String>,
    /// From when, in microseconds since 1970.
    pub from: Option<i64>,
    /// Until when.
    pub to: Option<i64>,
    /// More, in English.
    pub detail: Option<String>,
}

impl Finding {
    pub(super) const fn new(code: Code) -> Self {
        Self { code, entry: None, file: None, track: None, from: None, to: None, detail: None }
    }

    pub(super) fn entry(self, entry: u64) -> Self {
        Self { entry: Some(entry), ..self }
    }

    pub(super) fn file(self, file: &str) -> Self {
        let track = file.split_once('/').map(|(folder, _)| folder.to_owned());
        Self { file: Some(file.to_owned()), track: self.track.or(track), ..self }
    }

    pub(super) fn track(self, track: Option<&str>) -> Self {
        Self { track: track.map(str::to_owned), ..self }
    }

    pub(super) fn time(self, from: Option<i64>, to: Option<i64>) -> Self {
        Self { from, to, ..self }
    }

    pub(super) fn detail(self, detail: impl ToString) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// The line that says so.
    pub entry: u64,
    /// Which track; `None` for all.
    pub track: Option<String>,
    /// Why.
    pub reason: String,
    /// From when, in microseconds since 1970.
    pub from: Option<i64>,
    /// Until when.
    pub to: Option<i64>,
    /// True when media that came late stands in its place.
    pub filled: bool,
    /// True when it came only after the seal.
    pub later: bool,
}

/// A span of time that no witness cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Uncosigned {
    /// Its first line.
    pub first: u64,
    /// Its last line.
    pub last: u64,
    /// From when, in microseconds since 1970.
    pub from: i64,
    /// Until when.
    pub to: i64,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// The hearing's id.
    pub hearing: Option<String>,
    /// The case number.
    pub case: Option<String>,
    /// The node that recorded: zone and name.
    pub node: Option<String>,
    /// When the record begins and ends, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// The integrity value, computed anew.
    pub value: Option<String>,
    /// True when the record has its seal.
    pub sealed: bool,
    /// Lines of the manifest.
    pub lines: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Witnesses that cosigned: zone and name.
    pub witnesses: Vec<String>,
    /// The previous record of the same node.
    pub previous: Option<super::super::Previous>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What is missing by its own account, recesses included.
    pub gaps: Vec<Hole>,
    /// What no witness cosigned.
    pub uncosigned: Vec<Uncosigned>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }

    /// True when something of this kind was found.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    /// Draws the conclusion: the worst first.
    pub(super) fn judged(mut self) -> Self {
        self.findings.sort_by_key(|finding| finding.code.verdict().map_or(SEVERITY.len(), severity));
        let worst = self.findings.first().and_then(|finding| finding.code.verdict());
        self.verdict = worst.unwrap_or(Verdict::Intact);
        self
    }
}

fn severity(verdict: Verdict) -> usize {
    SEVERITY.iter().position(|other| *other == verdict).unwrap_or(SEVERITY.len())
}

const SEVERITY: [Verdict; 3] = [Verdict::Tampered, Verdict::CannotJudge, Verdict::Incomplete];
/// More findings say nothing new.
const MOST: usize = 10_000;
