//! What follows from the kind of an entry.

use super::entry::{Entry, Head};

impl Entry {
    /// The word for it in the manifest.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Segment { .. } => "segment",
            Self::Data { .. } => "data",
            Self::Replaced { .. } => "replaced",
            Self::Gap { .. } => "gap",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Mute { .. } => "mute",
            Self::Recess { .. } => "recess",
            Self::Resume {} => "resume",
            Self::Clock { .. } => "clock",
            Self::Policy { .. } => "policy",
            Self::Crossing { .. } => "crossing",
            Self::Note { .. } => "note",
            Self::Mark { .. } => "mark",
            Self::Late { .. } => "late",
            Self::Aside { .. } => "aside",
            Self::Fault { .. } => "fault",
            Self::End { .. } => "end",
            Self::Head(_) => "head",
            Self::Checkpoint(_) => "checkpoint",
            Self::Cosign(_) => "cosign",
            Self::Seal { .. } => "seal",
            Self::Addendum { .. } => "addendum",
        }
    }

    /// What it is about: the entry within an addendum, or else itself.
    #[must_use]
    pub fn matter(&self) -> &Self {
        if let Self::Addendum { entry } = self { entry } else { self }
    }

    /// The head, if it is one.
    #[must_use]
    pub fn as_head(&self) -> Option<&Head> {
        if let Self::Head(head) = self { Some(head) } else { None }
    }

    /// The bytes that it accounts for: file, begin and end of each span.
    #[must_use]
    pub fn spans(&self) -> Vec<(&str, u64, u64)> {
        if let Self::Data { spans } | Self::Late { spans, .. } = self {
            return spans.iter().map(|span| (span.file.as_str(), span.from, span.to)).collect();
        }
        if let Self::Aside { file, from, to, .. } = self { vec![(file, *from, *to)] } else { Vec::new() }
    }

    /// True for what an addendum may say: nothing in it takes back, replaces or goes on with what was sealed.
    #[must_use]
    pub const fn may_be_added(&self) -> bool {
        match self {
            Self::Segment { .. }
            | Self::Late { .. }
            | Self::Gap { .. }
            | Self::Note { .. }
            | Self::Mark { .. }
            | Self::Fault { .. }
            | Self::Cosign(_) => true,
            Self::Data { .. }
            | Self::Replaced { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Mute { .. }
            | Self::Recess { .. }
            | Self::Resume {}
            | Self::Clock { .. }
            | Self::Policy { .. }
            | Self::Crossing { .. }
            | Self::Aside { .. }
            | Self::End { .. }
            | Self::Head(_)
            | Self::Checkpoint(_)
            | Self::Seal { .. }
            | Self::Addendum { .. } => false,
        }
    }

    /// True for kinds that only the chain itself makes.
    #[must_use]
    pub const fn is_made_by_the_chain(&self) -> bool {
        match self {
            Self::Head(_)
            | Self::Checkpoint(_)
            | Self::Cosign(_)
            | Self::Seal { .. }
            | Self::Addendum { .. }
            | Self::Clock { .. } => true,
            Self::Segment { .. }
            | Self::Data { .. }
            | Self::Replaced { .. }
            | Self::Gap { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Mute { .. }
            | Self::Recess { .. }
            | Self::Resume {}
            | Self::Policy { .. }
            | Self::Crossing { .. }
            | Self::Note { .. }
            | Self::Mark { .. }
            | Self::Late { .. }
            | Self::Aside { .. }
            | Self::Fault { .. }
            | Self::End { .. } => false,
        }
    }
}
