/* glance: whether anything in texts of ASCII may be encoded; `views.glance.suspects_by_search`. */
#include "kernels.h"

enum {
    LINE = 32,          /* places of one state in `follow`: a class of bytes each */
    MET = 1 << 15,      /* in a place: the state that follows is the end of a word */
    BLOCK = 512,        /* bytes after which it is looked whether all is known */
};

typedef struct {
    const uint64_t *masks;  /* [BYTES]: the bits that a byte may set */
    uint64_t first;         /* bits that need none before them */
    uint64_t sure, maybe;   /* bits that say that something is, or may be, encoded */
    const uint8_t *classes; /* [BYTES] */
    const uint16_t *follow; /* [last + 1][LINE] */
    unsigned last;          /* one less than a power of two: whatever stands in `follow`, a state is one of it */
} Signs;

static unsigned next(const Signs *signs, unsigned state, uint8_t byte) {
    return signs->follow[(state & signs->last) * LINE + signs->classes[byte] % LINE];
}

/* Two automata side by side. One has a bit a place in a pattern, set where the text so far ends in the pattern so far
 * (Baeza-Yates and Gonnet 1992); the other is that of Aho and Corasick (1975), for words. Both begin and end as if a
 * blank stood before and behind the text. */
static uint8_t glance_at(const Signs *signs, const uint8_t *data, Py_ssize_t size) {
    uint64_t bits = signs->first & signs->masks[' '], seen = bits;
    unsigned state = next(signs, 0, ' '), met = state;
    for (Py_ssize_t at = 0; at < size;) {
        Py_ssize_t end = size - at < BLOCK ? size : at + BLOCK;
        for (; at < end; at++) {
            bits = (bits << 1 | signs->first) & signs->masks[data[at]];
            seen |= bits;
            state = next(signs, state, data[at]);
            met |= state;
        }
        if (seen & signs->sure || met & MET) return 1;
    }
    if (next(signs, state, ' ') & MET) return 1;
    return seen & signs->maybe ? 2 : 0;
}

static PyObject *checked_glance(PyObject *texts, const Py_buffer *b) {
    const Py_buffer *masks = b, *ends = b + 1, *classes = b + 2, *follow = b + 3, *out = b + 4;
    Py_ssize_t count = PyTuple_Size(texts), states = follow->len / (LINE * (Py_ssize_t)sizeof(uint16_t));
    if (!fits(masks, BYTES, sizeof(uint64_t), "masks") || !fits(ends, 3, sizeof(uint64_t), "ends") ||
        !fits(classes, BYTES, 1, "classes") || !fits(follow, states * LINE, sizeof(uint16_t), "follow") ||
        !fits(out, count, 1, "found"))
        return NULL;
    const uint64_t *end = ends->buf;
    if (states < 1 || states > MET || states & (states - 1)) return refused("follow has not a power of two of states");
    Signs signs = {masks->buf, end[0], end[1], end[2], classes->buf, follow->buf, (unsigned)states - 1};
    Py_ssize_t total = 0;
    Text *each = texts_of(texts, &total);
    if (!each) return NULL;
    PyThreadState *others = total >= LARGE ? PyEval_SaveThread() : NULL;
    for (Py_ssize_t n = 0; n < count; n++) ((uint8_t *)out->buf)[n] = glance_at(&signs, each[n].data, each[n].size);
    if (others) PyEval_RestoreThread(others);
    PyMem_Free(each);
    Py_RETURN_NONE;
}

PyObject *glance(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *texts;
    Py_buffer b[5];
    if (!PyArg_ParseTuple(args, "O!y*y*y*y*w*", &PyTuple_Type, &texts, b, b + 1, b + 2, b + 3, b + 4)) return NULL;
    PyObject *answer = checked_glance(texts, b);
    release(b, 5);
    return answer;
}
