//! RTP payload headers: VP8 descriptors, H.264 key frames.
