//! What end-to-end tests are made of.

pub(crate) mod baresip;
pub(crate) mod browser;
pub(crate) mod camera;
pub(crate) mod court;
pub(crate) mod device;
pub(crate) mod disk;
pub(crate) mod firewall;
pub(crate) mod linphone;
pub(crate) mod media;
pub(crate) mod netns;
pub(crate) mod node;
pub(crate) mod party;
pub(crate) mod phone;
pub(crate) mod record;
pub(crate) mod rooms;
pub(crate) mod sitting;
pub(crate) mod zones;
