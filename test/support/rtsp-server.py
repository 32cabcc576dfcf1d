"""An RTSP camera for tests: GStreamer's server with a live H.264 picture. One JSON argument; prints {"port": n}."""
import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

options = json.loads(sys.argv[1])
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(str(options["port"]))
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(options["launch"])
factory.set_shared(True)
if options.get("auth"):
    digest = options["auth"] == "digest"
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST if digest else GstRtsp.RTSPAuthMethod.BASIC)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    user, password = options["user"], options["password"]
    if digest:
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", right, True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/stream", factory)
if not server.attach(None):
    sys.exit(f"port {options['port']} is taken")
print(json.dumps({"port": server.get_bound_port()}), flush=True)
# It ends with the test that started it: its standard input is a pipe from there.
loop = GLib.MainLoop()
GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP, loop.quit)
loop.run()
