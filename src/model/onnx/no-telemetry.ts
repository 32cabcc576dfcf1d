/**
 * From 1.29 on, onnxruntime's own builds for Linux send data about the machine and the models it runs to Microsoft, and
 * keep an id of the machine under `~/.cache/Microsoft`. Nothing about what a camera sees may leave by a way that nobody
 * chose, so it is off. To be imported before onnxruntime, whose library looks when it is loaded, and in the main thread:
 * what a worker thread sets does not reach the library.
 */
process.env.ORT_DISABLE_TELEMETRY ??= "1";
