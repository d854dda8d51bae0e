//! Ports for programs that bind them by themselves: blocks outside the range from which the kernel gives connections theirs, so
//! that nobody takes one between the moment it is chosen and the moment it is bound.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// A block of ports, one program's for as long as this lives.
pub(crate) struct Ports {
    first: u16,
    /// Keeps other tests off the block.
    _held: UdpSocket,
}

impl Ports {
    /// Takes a block in which nothing is bound.
    pub(crate) fn take() -> Self {
        let blocks = u32::from((LAST - FIRST) / SIZE);
        // Tests that run beside each other begin their search at other places.
        let from = std::process::id() % blocks;
        let block =
            |number: u32| FIRST + u16::try_from((from + number) % blocks).expect("below the number of blocks") * SIZE;
        (0..blocks).find_map(|number| Self::hold(block(number))).expect("a block of free ports")
    }

    fn hold(first: u16) -> Option<Self> {
        let held = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, first)).ok()?;
        let free = |port| {
            let at = (Ipv4Addr::UNSPECIFIED, port);
            UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
        };
        (first + 1..first + SIZE).all(free).then_some(Self { first, _held: held })
    }

    /// The port with this number in the block, 1 to 63; even ones are even ports.
    pub(crate) fn get(&self, number: u16) -> u16 {
        assert!((1..SIZE).contains(&number), "a block has {SIZE} ports");
        self.first + number
    }
}

const FIRST: u16 = 10_048;
/// Debian's kernels give connections ports from 32,768 on.
const LAST: u16 = 32_768;
const SIZE: u16 = 64;
