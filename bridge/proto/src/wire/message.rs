//! Every message of the control stream, with its number and the most bytes its body may have.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::Error;
use super::hearing::{Reply, Report, Request, Unfollow, Update};
use super::late::{Fetch, Kept};
use super::link::{Hello, Ping, Pong, Take, Welcome};
use super::plan::{Announce, Plan, Withdraw};
use super::rehearse::{RehearseAnswer, RehearseAsk};
use super::track::{KeyFrame, Refused, Subscribe, TrackDown, TrackUp};
use super::witness::{WitnessAnswer, WitnessAsk};

macro_rules! messages {
    ($($number:literal $name:ident $limit:literal),* $(,)?) => {
        /// One message of the control stream.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name)),*
        }

        impl Message {
            /// The number that stands for its kind on the wire.
            #[must_use]
            pub const fn number(&self) -> u8 {
                match self { $(Self::$name(_) => $number),* }
            }

            /// Its kind, for logs and metrics.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name)),* }
            }

            /// The most bytes that the body of a message with this number may have; `None` when no message has it.
            #[must_use]
            pub const fn limit(number: u8) -> Option<usize> {
                match number { $($number => Some($limit),)* _ => None }
            }

            pub(super) fn body(&self) -> Result<Vec<u8>, Error> {
                match self { $(Self::$name(body) => write(stringify!($name), body)),* }
            }

            pub(super) fn parse(number: u8, body: &[u8]) -> Result<Self, Error> {
                match number {
                    $($number => read(stringify!($name), body).map(Self::$name),)*
                    other => Err(Error::UnknownKind(other)),
                }
            }
        }

        $(impl From<$name> for Message {
            fn from(body: $name) -> Self {
                Self::$name(body)
            }
        })*
    };
}

messages! {
    1 Hello 256,
    2 Welcome 16,
    3 Take 16,
    4 Ping 32,
    5 Pong 32,
    10 Announce 49_152,
    11 Withdraw 32,
    12 Plan 49_152,
    20 Request 1_024,
    21 Reply 131_072,
    22 Update 32_768,
    23 Unfollow 16,
    24 Report 128,
    30 TrackUp 256,
    31 TrackDown 64,
    32 Subscribe 64,
    33 KeyFrame 64,
    34 Refused 256,
    40 RehearseAsk 32_768,
    41 RehearseAnswer 262_144,
    50 WitnessAsk 32_768,
    51 WitnessAnswer 32_768,
    60 Fetch 64,
    61 Kept 64,
}

fn write<T: Serialize>(kind: &'static str, body: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(body).map_err(|_| Error::Malformed(kind))
}

fn read<T: DeserializeOwned>(kind: &'static str, body: &[u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(Error::Trailing { kind, bytes: rest.len() }),
        Err(_) => Err(Error::Malformed(kind)),
    }
}
