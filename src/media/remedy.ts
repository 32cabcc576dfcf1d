/** What to do about ffmpeg's messages; the first match counts. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/\b401\b|authorization failed/i, "check user and password"],
  [/\b403\b|Forbidden/i, "this user has no access"],
  [/\b404\b/, "check the path of the address"],
  [/Connection refused/i, "nothing listens there; check address and port"],
  [/No route to host|Network is unreachable|timed out/i, "check the address and the network"],
  [/resolve hostname|Name or service not known/i, "check the host name"],
  [/moov atom not found/i, "the recording was interrupted while it was being written"],
  [/Device or resource busy/i, "another program is using the camera"],
  [/\/dev\/video\d+: Permission denied/, "add the user to the group `video`"],
  [/\/dev\/video\d+: No such file/, "`pipeline doctor` lists the cameras"],
  [/Selected framerate/, "set an `fps` that the camera supports"],
  [/Selected video size/, "set a `size` that the camera supports"],
  [/matches no streams/, "it has no video; give a recording with a video stream"],
  [/not currently supported in container/, "write to a .mkv file, which takes any sound"],
  [/nothing was encoded/, "check `from` and `to` against its length"],
  [/Invalid data found/i, "give a recording that ffmpeg can read"],
];

/** ffmpeg's reason, with a remedy if one is known. The input is already in the message and is not repeated. */
export function withRemedy(reason: string, name: string): string {
  const remedy = REMEDIES.find(([says]) => says.test(reason))?.[1];
  const input = [name, `file:${name}`, "pipe:0"].find((own) => reason.startsWith(`${own}: `));
  const short = input === undefined ? reason : reason.slice(input.length + 2);
  return remedy ? `${short.replace(/\.$/, "")}; ${remedy}` : short;
}
