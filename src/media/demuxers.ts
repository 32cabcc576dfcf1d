import { extname } from "node:path";

/** Extensions of files that are lists of other files. */
const PLAYLISTS = [".m3u8", ".m3u", ".mpd", ".ffconcat"];

/** Whether a file's name says that it is a list of other files (HLS, DASH, ffmpeg's own). */
export function isPlaylist(path: string): boolean {
  return PLAYLISTS.includes(extname(path).toLowerCase());
}

/** ffmpeg's names of formats that contain pictures or sound themselves; not every build knows all of them. */
const HOLDERS =
  "3dostr 4xm aac ac3 aiff apng asf asf_o av1 avi avs2 avs3 bink bmp_pipe cavsvideo cine dhav dirac dnxhd dv evc " +
  "film_cpk flac flic flv gif gif_pipe gxf h261 h263 h264 hevc image2 ingenient ipmovie ivf ivr j2k_pipe jpeg_pipe " +
  "jpegxl_pipe kux live_flv lvf lxf m4v matroska mjpeg mjpeg_2000 mov mp3 mpeg mpegts mpegtsraw mpegvideo mpjpeg mxf " +
  "nsv nut nuv obu ogg pam_pipe pbm_pipe pgm_pipe png_pipe ppm_pipe psd_pipe pva qoi_pipe r3d rl2 rm roq ser smjpeg smk " +
  "swf tiff_pipe ty vc1 vc1test vivo vividas vvc w64 wav webm webp_pipe wtv xmv yuv4mpegpipe";

/**
 * Options before `-i` for a file. ffmpeg detects the format from the first bytes, and would follow an upload named
 * `clip.mp4` that is really a playlist to any recording that we can read. Only a file named like a playlist may be one.
 */
export function readAsNamed(path: string): string[] {
  return isPlaylist(path) ? [] : ["-format_whitelist", HOLDERS.replaceAll(" ", ",")];
}
