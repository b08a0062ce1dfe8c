/* kernels: the inner loops of detectors and fingerprints, each one pass over a text where numpy takes a dozen.
 *
 * Everything here has a twin in Python, named at the head of its file, that says what it computes, works where there is
 * no compiler, and is what this is tested against. Whole numbers come out the same to the bit. A text's bytes only ever
 * choose a place within a table whose length was looked at first; every length is looked at before the loop, and what
 * does not fit raises ValueError. No loop over a text touches a Python object.
 */
#ifndef OUTWORKS_KERNELS_H
#define OUTWORKS_KERNELS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* What each takes and gives stands in compiled.pyi. */
PyObject *highest(PyObject *module, PyObject *args);
PyObject *gather(PyObject *module, PyObject *args);
PyObject *strings(PyObject *module, PyObject *args);
PyObject *sift(PyObject *module, PyObject *args);
PyObject *glance(PyObject *module, PyObject *args);

enum {
    SHAPE = 3,    /* kernels.SHAPE */
    BYTES = 256,  /* different ones */
    RUN = 4,      /* bytes of a run of characters; grams.RUN */
    LARGE = 4096, /* bytes in all from which other threads may run meanwhile */
};

/* What numbers hash with: `values` [RUN][BYTES], a byte's number times the base's powers; `base`; and what the next
 * word, the one after it, and the one after the next without it, are multiplied by. */
typedef struct {
    const uint64_t *values;
    uint64_t base, second, third, skip;
} Hashing;

static inline void release(Py_buffer *buffers, int count) {
    for (int n = 0; n < count; n++) PyBuffer_Release(buffers + n);
}

static inline PyObject *refused(const char *why) {
    PyErr_Format(PyExc_ValueError, "kernels: %s", why);
    return NULL;
}

static inline int fits(const Py_buffer *buffer, Py_ssize_t items, size_t size, const char *name) {
    if (items >= 0 && buffer->len == items * (Py_ssize_t)size) return 1;
    PyErr_Format(PyExc_ValueError, "kernels: %s has %zd bytes, not %zd of %zu", name, buffer->len, items, size);
    return 0;
}

typedef struct {
    const uint8_t *data;
    Py_ssize_t size;
} Text;

/* The texts of a tuple of bytes, for PyMem_Free; their bytes in all are added to `total`. NULL where one is no bytes. */
static inline Text *texts_of(PyObject *tuple, Py_ssize_t *total) {
    Py_ssize_t count = PyTuple_Size(tuple);
    Text *texts = PyMem_Malloc((size_t)(count + 1) * sizeof(Text));
    if (!texts) PyErr_NoMemory();
    for (Py_ssize_t n = 0; texts && n < count; n++) {
        char *data;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, n), &data, &texts[n].size) < 0) {
            PyMem_Free(texts);
            return NULL;
        }
        texts[n].data = (const uint8_t *)data;
        *total += texts[n].size;
    }
    return texts;
}

static inline int read_hashing(const Py_buffer *values, const Py_buffer *factors, Hashing *how) {
    if (!fits(values, RUN * BYTES, sizeof(uint64_t), "values")) return 0;
    if (!fits(factors, 4, sizeof(uint64_t), "factors")) return 0;
    const uint64_t *f = factors->buf;
    *how = (Hashing){values->buf, f[0], f[1], f[2], f[3]};
    return 1;
}

#endif
