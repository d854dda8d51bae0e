//! Browsers and WHIP/WHEP clients.
