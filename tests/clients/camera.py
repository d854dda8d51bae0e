#!/usr/bin/env python3
"""An RTSP camera that plays a file to everybody alike, on GStreamer's RTSP server: camera.py ADDRESS FILE h264|h265 pcma|opus|aac|none open|basic|digest tcp|udp|any"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

address, file, picture, sound, access, lower = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address(address)
server.set_service("8554")

factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
launch = f"( filesrc location={file} ! matroskademux name=d d. ! queue ! {picture}parse ! rtp{picture}pay name=pay0 pt=96 mtu=1460 "
payloader = "aacparse ! rtpmp4gpay" if sound == "aac" else f"rtp{sound}pay"
launch += "" if sound == "none" else f"d. ! queue ! {payloader} name=pay1 pt={8 if sound == 'pcma' else 97} "
factory.set_launch(launch + ")")
ways = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
factory.set_protocols(ways.get(lower, GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP))

if access != "open":
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if access == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("admin", "c@urt1", token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", "c@urt1"), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)

server.get_mount_points().add_factory("/cam", factory)
assert server.attach(None) > 0, "the port is taken"
print("up", flush=True)
GLib.MainLoop().run()
