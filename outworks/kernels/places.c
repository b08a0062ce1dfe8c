/* places: where many junctions stand close together; `junctions._dense`. */
#include "kernels.h"

enum {
    MOST_LEAST = 16,   /* of junctions.LEAST */
    FARTHEST = 1 << 24, /* of NEAR and AROUND */
};

typedef struct {
    int64_t text, start, end;
} Place;

typedef struct {
    const uint8_t *odd;  /* [64]: whether two classes are a junction */
    int near, least, around;
} Dense;

/* The places of one text; `found` has room for one every `2 * around` characters, and one. */
static Py_ssize_t places_of(const Dense *dense, const uint8_t *classes, int64_t size, int64_t text, Place *found) {
    int64_t last[MOST_LEAST], seen = 0, low = 0, high = -1;
    Py_ssize_t count = 0;
    for (int64_t i = 0; i + 1 < size; i++) {
        if (!dense->odd[(classes[i] & 7) << 3 | (classes[i + 1] & 7)]) continue;
        last[seen++ % dense->least] = i;
        if (seen < dense->least) continue;
        int64_t first = last[seen % dense->least]; /* of the last `least` */
        if (i - first > dense->near) continue;
        if (high >= 0 && first - high > 2 * dense->around) {
            found[count++] = (Place){text, low, high};
            high = -1;
        }
        if (high < 0) low = first;
        high = i + 2;
    }
    if (high >= 0) found[count++] = (Place){text, low, high};
    for (Py_ssize_t n = 0; n < count; n++) {
        found[n].start = found[n].start > dense->around ? found[n].start - dense->around : 0;
        found[n].end = found[n].end + dense->around < size ? found[n].end + dense->around : size;
    }
    return count;
}

static PyObject *checked_places(const Py_buffer *b, const Dense *dense) {
    const Py_buffer *classes = b, *odd = b + 1, *sizes = b + 2, *out = b + 3;
    Py_ssize_t texts = sizes->len / (Py_ssize_t)sizeof(int64_t), found = 0;
    const int64_t *size = sizes->buf;
    if (dense->least < 1 || dense->least > MOST_LEAST || dense->near < 0 || dense->near > FARTHEST ||
        dense->around < 1 || dense->around > FARTHEST)
        return refused("near, least or around are out of range");
    if (!fits(odd, 64, 1, "odd") || !fits(sizes, texts, sizeof(int64_t), "sizes") ||
        !fits(out, classes->len / (2 * dense->around) + texts, sizeof(Place), "places"))
        return NULL;
    int64_t at = 0, left = classes->len;
    for (Py_ssize_t n = 0; n < texts; n++) {
        if (size[n] < 0 || size[n] > left) return refused("the texts are longer than the classes");
        found += places_of(&(Dense){odd->buf, dense->near, dense->least, dense->around},
                           (const uint8_t *)classes->buf + at, size[n], n, (Place *)out->buf + found);
        at += size[n] + 1; /* one character stands between two texts */
        left = classes->len > at ? classes->len - at : 0;
    }
    return PyLong_FromSsize_t(found);
}

PyObject *places(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer b[4];
    Dense dense = {0};
    if (!PyArg_ParseTuple(args, "y*y*iiiy*w*", b, b + 1, &dense.near, &dense.least, &dense.around, b + 2, b + 3))
        return NULL;
    PyObject *answer = checked_places(b, &dense);
    release(b, 4);
    return answer;
}
