/** What to do about what ffmpeg says; the first that fits counts. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/\b401\b|authorization failed/i, "check user and password"],
  [/\b403\b|Forbidden/i, "this user may not see it"],
  [/\b404\b/, "check the path of the address"],
  [/Connection refused/i, "nothing listens there; check address and port"],
  [/No route to host|Network is unreachable|timed out/i, "check the address and the network"],
  [/resolve hostname|Name or service not known/i, "check the host's name"],
  [/moov atom not found/i, "the recording was cut off while it was written"],
  [/Device or resource busy/i, "another program uses the camera"],
  [/\/dev\/video\d+: Permission denied/, "add the user to the group `video`"],
  [/\/dev\/video\d+: No such file/, "`pipeline doctor` lists the cameras"],
  [/Selected framerate/, "give an `fps` that the camera offers"],
  [/Selected video size/, "give a `size` that the camera offers"],
  [/matches no streams/, "it has no pictures: give a recording with video in it"],
  [/nothing was encoded/, "look at `from` and `to`, and at its length"],
  [/Invalid data found/i, "give a recording that ffmpeg can read"],
];

/** ffmpeg's reason with what to do about it, where that is known. `name` is told already, and not again. */
export function withRemedy(reason: string, name: string): string {
  const remedy = REMEDIES.find(([says]) => says.test(reason))?.[1];
  const short = reason.startsWith(`${name}: `) ? reason.slice(name.length + 2) : reason;
  return remedy ? `${short.replace(/\.$/, "")}; ${remedy}` : short;
}
