/*
 * A stand-in for the kernel's video capture (V4L2), preloaded into ffmpeg: $CAMERA is a device that delivers 640x480 at
 * 30 pictures a second and 1280x720 at 10 as YUYV, both at 30 as MJPEG, which is what a webcam on USB 2 does. As the
 * kernel does, it takes the nearest of these if it is asked for something else. MJPEG pictures are $CAMERA.jpg.
 * If $CAMERA.gone exists, the camera has been unplugged; if $CAMERA.still exists, it hangs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4 };

static int camera = -1;
static struct v4l2_pix_format format = {.width = 640, .height = 480, .pixelformat = V4L2_PIX_FMT_YUYV};
static unsigned fps = 30;
static int queue[BUFFERS], queued;
static unsigned sequence;
static double next_at;

static const char *beside(const char *ending) {
  static char path[4096];
  snprintf(path, sizeof path, "%s.%s", getenv("CAMERA"), ending);
  return path;
}

static int is_there(const char *ending) { return access(beside(ending), F_OK) == 0; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int fail(int error) {
  errno = error;
  return -1;
}

static void settle(void) {
  int large = format.width > 640;
  format.width = large ? 1280 : 640;
  format.height = large ? 720 : 480;
  if (format.pixelformat != V4L2_PIX_FMT_MJPEG) format.pixelformat = V4L2_PIX_FMT_YUYV;
  format.field = V4L2_FIELD_NONE;
  format.bytesperline = format.pixelformat == V4L2_PIX_FMT_MJPEG ? 0 : format.width * 2;
  format.sizeimage = format.width * format.height * 2;
}

static unsigned most_fps(void) {
  return format.pixelformat == V4L2_PIX_FMT_YUYV && format.width > 640 ? 10 : 30;
}

/* Fills a buffer with the next picture; returns its bytes. */
static unsigned picture(int index) {
  if (format.pixelformat == V4L2_PIX_FMT_MJPEG) {
    int jpeg = open(beside("jpg"), O_RDONLY);
    char *bytes = malloc(format.sizeimage);
    ssize_t count = read(jpeg, bytes, format.sizeimage);
    pwrite(camera, bytes, count, (off_t)index * format.sizeimage);
    free(bytes);
    close(jpeg);
    return count;
  }
  char *bytes = malloc(format.sizeimage);
  memset(bytes, 128, format.sizeimage);
  pwrite(camera, bytes, format.sizeimage, (off_t)index * format.sizeimage);
  free(bytes);
  return format.sizeimage;
}

static int dequeue(struct v4l2_buffer *buffer) {
  if (is_there("gone")) return fail(ENODEV);
  if (is_there("still") || now() < next_at || queued == 0) return fail(EAGAIN);
  next_at = next_at + 1.0 / fps < now() ? now() : next_at + 1.0 / fps;
  buffer->index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  buffer->bytesused = picture(buffer->index);
  buffer->sequence = sequence++;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  buffer->timestamp.tv_sec = t.tv_sec;
  buffer->timestamp.tv_usec = t.tv_nsec / 1000;
  return 0;
}

static int answer(unsigned long request, void *argument) {
  switch (request) {
    case VIDIOC_QUERYCAP: {
      struct v4l2_capability *it = argument;
      strcpy((char *)it->card, "Stand-in camera");
      it->capabilities = it->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      return 0;
    }
    case VIDIOC_G_INPUT:
      *(int *)argument = 0;
      return 0;
    case VIDIOC_ENUMINPUT:
      return ((struct v4l2_input *)argument)->index == 0 ? 0 : fail(EINVAL);
    case VIDIOC_ENUM_FMT: {
      struct v4l2_fmtdesc *it = argument;
      if (it->index > 1) return fail(EINVAL);
      it->pixelformat = it->index == 0 ? V4L2_PIX_FMT_YUYV : V4L2_PIX_FMT_MJPEG;
      it->flags = it->index == 0 ? 0 : V4L2_FMT_FLAG_COMPRESSED;
      strcpy((char *)it->description, it->index == 0 ? "YUYV 4:2:2" : "Motion-JPEG");
      return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
      struct v4l2_frmsizeenum *it = argument;
      if (it->index > 1) return fail(EINVAL);
      it->type = V4L2_FRMSIZE_TYPE_DISCRETE;
      it->discrete.width = it->index == 0 ? 640 : 1280;
      it->discrete.height = it->index == 0 ? 480 : 720;
      return 0;
    }
    case VIDIOC_G_FMT:
      settle();
      ((struct v4l2_format *)argument)->fmt.pix = format;
      return 0;
    case VIDIOC_S_FMT:
      format = ((struct v4l2_format *)argument)->fmt.pix;
      settle();
      fps = most_fps();
      ((struct v4l2_format *)argument)->fmt.pix = format;
      return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
      struct v4l2_captureparm *it = &((struct v4l2_streamparm *)argument)->parm.capture;
      if (request == VIDIOC_S_PARM && it->timeperframe.numerator) {
        unsigned asked = it->timeperframe.denominator / it->timeperframe.numerator;
        fps = asked < most_fps() ? asked : most_fps();
      }
      it->capability = V4L2_CAP_TIMEPERFRAME;
      it->timeperframe = (struct v4l2_fract){1, fps};
      return 0;
    }
    case VIDIOC_REQBUFS:
      ((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
      return ftruncate(camera, (off_t)BUFFERS * format.sizeimage);
    case VIDIOC_QUERYBUF: {
      struct v4l2_buffer *it = argument;
      it->length = format.sizeimage;
      it->m.offset = it->index * format.sizeimage; /* sizes are whole pages */
      return 0;
    }
    case VIDIOC_QBUF:
      queue[queued++] = ((struct v4l2_buffer *)argument)->index;
      return 0;
    case VIDIOC_DQBUF:
      return dequeue(argument);
    case VIDIOC_STREAMON:
      next_at = now();
      return 0;
    case VIDIOC_STREAMOFF:
      return 0;
    default:
      return fail(EINVAL);
  }
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (fd >= 0 && fd == camera) return answer(request, argument);
  static int (*real)(int, unsigned long, void *);
  if (!real) real = dlsym(RTLD_NEXT, "ioctl");
  return real(fd, request, argument);
}

static int opened(const char *name, const char *path, int flags, mode_t mode) {
  const char *device = getenv("CAMERA");
  if (device && strcmp(path, device) == 0) {
    if (is_there("gone")) return fail(ENOENT);
    return camera = memfd_create("camera", MFD_CLOEXEC);
  }
  int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
  return real(path, flags, mode);
}

#define OPEN(name)                                \
  int name(const char *path, int flags, ...) {    \
    va_list arguments;                            \
    va_start(arguments, flags);                   \
    mode_t mode = va_arg(arguments, mode_t);      \
    va_end(arguments);                            \
    return opened(#name, path, flags, mode);      \
  }
OPEN(open)
OPEN(open64)
