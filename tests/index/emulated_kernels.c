/* Calls functions of a library as it is told on stdin, so that kernels of another processor can be run by an emulator.

   A call: int64 length of a name, the name, int64 arguments; per argument int64 size and, if it is not negative, so many
   bytes of memory; otherwise -1 and an int64 number, or 0 for null. The answer on stdout: what it returned, then all
   memory again. Memory ends where a page ends that may not be touched, so that reading past an array is a crash. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST 16

typedef int64_t (*any_fn)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                          int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);

typedef struct {
  uint8_t *start, *memory;
  int64_t size;
  size_t mapped;
} Array;

static void get(void *to, size_t size) {
  if (size && fread(to, 1, size, stdin) != size) exit(feof(stdin) ? 0 : 2);
}

static int64_t number(void) {
  int64_t value;
  get(&value, sizeof value);
  return value;
}

static Array array(int64_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = ((size_t)size + page - 1) / page * page;
  uint8_t *start = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || mprotect(start + room, page, PROT_NONE)) exit(3);
  return (Array){start, start + room - size, size, room + page};
}

int main(int count, char **given) {
  void *library = count > 1 ? dlopen(given[1], RTLD_NOW) : NULL;
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  for (;;) {
    char name[64] = {0};
    int64_t length = number(), taken, a[MOST] = {0};
    Array arrays[MOST];
    int held = 0;
    if (length < 1 || length >= (int64_t)sizeof name) return 4;
    get(name, (size_t)length);
    any_fn function = (any_fn)dlsym(library, name);
    if (!function || (taken = number()) > MOST) return 5;
    for (int64_t i = 0; i < taken; i++) {
      int64_t size = number();
      if (size < 0) {
        a[i] = number();
      } else {
        Array *one = arrays + held++;
        *one = array(size);
        get(one->memory, (size_t)size);
        a[i] = (int64_t)(intptr_t)one->memory;
      }
    }
    int64_t returned = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
                                a[14], a[15]);
    fwrite(&returned, sizeof returned, 1, stdout);
    for (int i = 0; i < held; i++) {
      fwrite(arrays[i].memory, 1, (size_t)arrays[i].size, stdout);
      munmap(arrays[i].start, arrays[i].mapped);
    }
    fflush(stdout);
  }
}
