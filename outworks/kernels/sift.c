/* sift: whether any run of a text is in a sieve of known ones; `shingles.Sieve.sifted_by_numpy`. */
#include "kernels.h"

#if PY_BIG_ENDIAN
#error "runs are read as little-endian numbers; numpy does this everywhere"
#endif

enum {
    WORD = 8,   /* bytes */
    WIDTH = 10, /* of a run; shingles.WIDTH */
};

static uint64_t word_at(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, WORD);
    return word;
}

static PyObject *checked_sift(const Py_buffer *b, int shift) {
    const Py_buffer *data = b, *factors = b + 1, *marks = b + 2;
    if (shift < 36 || shift > 56) return refused("shift is out of range");
    if (!fits(factors, 2, sizeof(uint64_t), "factors") || !fits(marks, (Py_ssize_t)1 << (64 - shift), 1, "marks"))
        return NULL;
    const uint64_t first = ((const uint64_t *)factors->buf)[0], second = ((const uint64_t *)factors->buf)[1];
    const uint8_t *text = data->buf, *mark = marks->buf;
    Py_ssize_t known = 0;
    uint8_t highest = 0;
    PyThreadState *others = data->len >= LARGE ? PyEval_SaveThread() : NULL;
    for (Py_ssize_t i = 0; i + WIDTH <= data->len; i++) {
        /* Two words that overlap cover a run. */
        uint64_t key = word_at(text + i) * first ^ word_at(text + i + WIDTH - WORD) * second;
        uint8_t found = mark[key >> shift];
        known += found != 0;
        highest = found > highest ? found : highest;
    }
    if (others) PyEval_RestoreThread(others);
    return Py_BuildValue("ni", known, (int)highest);
}

PyObject *sift(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer b[3];
    int shift;
    if (!PyArg_ParseTuple(args, "y*y*iy*", b, b + 1, &shift, b + 2)) return NULL;
    PyObject *answer = checked_sift(b, shift);
    release(b, 3);
    return answer;
}
