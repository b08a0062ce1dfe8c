/* rises: the spans of a text that read as machine-made; `surprise._stretch_by_numpy`. */
#include "kernels.h"

enum {
    BEFORE = 7, /* characters that n-grams reach back; surprise.BEFORE */
    TABLES = 5, /* of n-grams; surprise.Tables */
    BREAK = INT16_MIN, /* in place of evidence: no span goes over it, however high it stands */
};

typedef struct {
    int64_t start, end, height, blanks;
} Rise;

typedef struct {
    Py_ssize_t count;
    const uint8_t *symbols; /* [count] */
    int16_t *evidence;  /* [count] */
    uint16_t *pairs;    /* [count]: each character and the one before it */
} Read;

static void read_evidence(Read *read, const uint8_t *symbols, const uint8_t *classes, const int8_t *table,
                          const uint32_t *begins, const uint32_t *factors, int shift, int most) {
    uint32_t four = 0, eight = 0;
    for (Py_ssize_t i = 0; i < read->count + BEFORE; i++) {
        uint8_t symbol = symbols[i] & 127;
        four = (four << 7 | symbol) & 0xFFFFFFF;
        eight = eight << 4 | (classes[symbol] & 15);
        if (i < BEFORE) continue;
        uint32_t pair = four & 0x3FFF;
        int units = table[begins[0] + pair];
        units += table[begins[1] + ((four & 0x1FFFFF) * factors[1] >> shift)];
        units += table[begins[2] + (four * factors[2] >> shift)];
        units += table[begins[3] + ((eight & 0xFFFFFF) * factors[3] >> shift)];
        units += table[begins[4] + (eight * factors[4] >> shift)];
        read->pairs[i - BEFORE] = (uint16_t)pair;
        read->evidence[i - BEFORE] = (int16_t)(units > most ? most : units < -most ? -most : units);
    }
}

static int64_t higher(int64_t height, int16_t units) {
    return units == BREAK || height + units < 0 ? 0 : height + units;
}

static int64_t blanks_in(const Read *read, const Rise *rise) {
    int64_t blanks = 0;
    for (int64_t n = rise->start; n < rise->end; n++) blanks += read->symbols[n] == ' ';
    return blanks;
}

/* One rise again, in which a pair of characters counts once until all has sunk to zero, or by `apart` from its top; the
 * spans in it that still reach `least`. */
static Py_ssize_t again(const Read *read, Py_ssize_t from, Py_ssize_t to, int least, int apart, Rise *found) {
    uint64_t seen[(1 << 14) / 64] = {0};
    Py_ssize_t count = 0;
    int64_t height = 0;
    Rise rise = {from, from, 0, 0};
    for (Py_ssize_t n = from; n < to; n++) {
        int16_t units = read->evidence[n];
        uint64_t *where = seen + read->pairs[n] / 64, bit = (uint64_t)1 << read->pairs[n] % 64;
        if (units > 0 && *where & bit) units = 0;
        if (units > 0) *where |= bit;
        height = higher(height, units);
        if (height > rise.height) rise.end = n + 1, rise.height = height;
        if (rise.height - height >= apart) height = 0;
        if (height && n < to - 1) continue;
        if (rise.height >= least) {
            rise.blanks = blanks_in(read, &rise);
            found[count++] = rise;
        }
        if (rise.height) memset(seen, 0, sizeof seen);
        rise = (Rise){n + 1, n + 1, 0, 0};
    }
    return count;
}

/* Repetition only takes away, so what is too low with it is too low without. */
static Py_ssize_t find_rises(const Read *read, int least, int apart, Rise *found) {
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0, from = 0; i < read->count; from = i) {
        int64_t height = 0, peak = 0;
        do {
            height = higher(height, read->evidence[i++]);
            if (height > peak) peak = height;
        } while (height && i < read->count);
        if (peak >= least) count += again(read, from, i, least, apart, found + count);
    }
    return count;
}

static PyObject *checked_rises(const Py_buffer *b, int shift, int most, int least, int apart) {
    const Py_buffer *symbols = b, *classes = b + 1, *tables = b + 2, *begins = b + 3, *factors = b + 4, *breaks = b + 5;
    const Py_buffer *out = b + 6;
    Read read = {.count = symbols->len - BEFORE, .symbols = (const uint8_t *)symbols->buf + BEFORE};
    Py_ssize_t broken = breaks->len / (Py_ssize_t)sizeof(int64_t);
    const uint32_t *begin = begins->buf, *factor = factors->buf;
    /* Where `least` is more than `most`, a span has two characters or more: there is room for all. */
    if (shift < 8 || shift > 24 || most < 1 || most > 1000 || least <= most || apart < 1 || read.count < 0)
        return refused("symbols, shift, most, least or apart are out of range");
    if (!fits(classes, 128, 1, "classes") || !fits(begins, TABLES, sizeof(uint32_t), "begins") ||
        !fits(factors, TABLES, sizeof(uint32_t), "factors") || !fits(breaks, broken, sizeof(int64_t), "breaks") ||
        !fits(out, read.count / 2 + 1, sizeof(Rise), "rises"))
        return NULL;
    for (int n = 0; n < TABLES; n++)
        /* A pair is its own key, below 2^14; the others are hashed. */
        if (begin[n] + ((int64_t)1 << (n ? 32 - shift : 14)) > tables->len) return refused("a table ends too early");
    read.evidence = PyMem_Malloc((size_t)(read.count + 1) * (sizeof(int16_t) + sizeof(uint16_t)));
    if (!read.evidence) return PyErr_NoMemory();
    read.pairs = (uint16_t *)(read.evidence + read.count);
    PyThreadState *others = read.count >= LARGE ? PyEval_SaveThread() : NULL;
    read_evidence(&read, symbols->buf, classes->buf, tables->buf, begin, factor, shift, most);
    for (Py_ssize_t n = 0; n < broken; n++) {
        int64_t at = ((const int64_t *)breaks->buf)[n];
        if (at >= 0 && at < read.count) read.evidence[at] = BREAK;
    }
    Py_ssize_t found = find_rises(&read, least, apart, out->buf);
    if (others) PyEval_RestoreThread(others);
    PyMem_Free(read.evidence);
    return PyLong_FromSsize_t(found);
}

PyObject *rises(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer b[7];
    int shift, most, least, apart;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*iiiiy*w*", b, b + 1, b + 2, b + 3, b + 4, &shift, &most, &least, &apart, b + 5,
                          b + 6))
        return NULL;
    PyObject *answer = checked_rises(b, shift, most, least, apart);
    release(b, 7);
    return answer;
}
