//! Seats and roles.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A seat's place in its hearing's list of seats, 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatId(pub u8);

impl SeatId {
    /// The most seats that a hearing may have.
    pub const LIMIT: usize = 64;
}

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a person or device is in a hearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// 审判员, 审判长.
    Judge,
    /// 书记员.
    Clerk,
    /// 公诉人.
    Prosecutor,
    /// 被告人.
    Defendant,
    /// 法警, 民警.
    Guard,
    /// 辩护人, 诉讼代理人.
    Counsel,
    /// 当事人.
    Party,
    /// 证人.
    Witness,
    /// 鉴定人.
    Expert,
    /// 翻译人员.
    Interpreter,
    /// 旁听人员.
    Observer,
    /// 技术人员.
    Technician,
}

impl Role {
    /// Every role, in the order of the list above.
    pub const ALL: [Self; 12] = [
        Self::Judge,
        Self::Clerk,
        Self::Prosecutor,
        Self::Defendant,
        Self::Guard,
        Self::Counsel,
        Self::Party,
        Self::Witness,
        Self::Expert,
        Self::Interpreter,
        Self::Observer,
        Self::Technician,
    ];

    /// The word used in configuration, on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Judge => "judge",
            Self::Clerk => "clerk",
            Self::Prosecutor => "prosecutor",
            Self::Defendant => "defendant",
            Self::Guard => "guard",
            Self::Counsel => "counsel",
            Self::Party => "party",
            Self::Witness => "witness",
            Self::Expert => "expert",
            Self::Interpreter => "interpreter",
            Self::Observer => "observer",
            Self::Technician => "technician",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
