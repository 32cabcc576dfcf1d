/**
 * From 1.29 on, onnxruntime's own builds for Linux send data about the machine and the models it runs to Microsoft, and
 * keep an id of the machine under `~/.cache/Microsoft`. Nothing about what a camera sees may leave the machine unless
 * someone chose so, so telemetry is off. Import this before onnxruntime, whose library reads the variable when it is
 * loaded, and in the main thread: what a worker thread sets does not reach the library.
 */
process.env.ORT_DISABLE_TELEMETRY ??= "1";
