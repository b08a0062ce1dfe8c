/* gather: the vectors of a text's known words, added up; `meaning.Meaning.said_by_numpy`. */
#include "kernels.h"

enum {
    MOST_WIDTH = 256, /* of a vector */
};

/* The hash of the word that begins at `*at`, which is moved behind it. */
static uint64_t word(const Hashing *how, const uint8_t *data, Py_ssize_t size, const uint8_t *inside, Py_ssize_t *at) {
    uint64_t hash = 0, power = 1;
    Py_ssize_t i = *at;
    for (; i < size && inside[data[i]]; i++) {
        hash += how->values[data[i]] * power;
        power *= how->base;
    }
    *at = i;
    return hash;
}

typedef struct {
    const uint64_t *numbers;  /* [known], rising */
    const uint32_t *firsts;   /* [2^16 + 1]: how many numbers have less in their upper 16 bits */
    Py_ssize_t known;
} Index;

/* The row of a number; -1 if it is none's. */
static Py_ssize_t row_of(const Index *index, uint64_t number) {
    Py_ssize_t at = index->firsts[number >> 48], end = index->firsts[(number >> 48) + 1];
    for (; at < end && at < index->known; at++)
        if (index->numbers[at] == number) return at;
    return -1;
}

static PyObject *checked_gather(const Py_buffer *b) {
    const Py_buffer *data = b, *inside = b + 1, *values = b + 2, *factors = b + 3, *numbers = b + 4, *firsts = b + 5;
    const Py_buffer *vectors = b + 6, *squares = b + 7, *out = b + 8;
    Py_ssize_t width = out->len / (Py_ssize_t)(2 * sizeof(float)), found = 0, bytes = 0, known_bytes = 0;
    Index index = {numbers->buf, firsts->buf, numbers->len / (Py_ssize_t)sizeof(uint64_t)};
    Hashing how;
    if (!read_hashing(values, factors, &how) || !fits(inside, BYTES, 1, "inside") ||
        !fits(numbers, index.known, sizeof(uint64_t), "numbers") ||
        !fits(firsts, (1 << 16) + 1, sizeof(uint32_t), "firsts") || !fits(out, 2 * width, sizeof(float), "out") ||
        !fits(vectors, index.known * width, sizeof(float), "vectors") ||
        !fits(squares, index.known, sizeof(float), "squares"))
        return NULL;
    if (width > MOST_WIDTH) return refused("the vectors are too wide");
    /* In doubles: thousands of the same small number, one by one, would lose digits. */
    double sums[MOST_WIDTH] = {0}, square = 0;
    float highest[MOST_WIDTH] = {0};
    for (Py_ssize_t i = 0; i < data->len;) {
        const uint8_t *text = data->buf, *in = inside->buf;
        if (!in[text[i]]) {
            i++;
            continue;
        }
        Py_ssize_t begin = i, row = row_of(&index, word(&how, text, data->len, in, &i));
        bytes += i - begin;
        if (row < 0) continue;
        known_bytes += i - begin;
        const float *vector = (const float *)vectors->buf + row * width;
        for (Py_ssize_t n = 0; n < width; n++) {
            sums[n] += vector[n];
            highest[n] = found && highest[n] > vector[n] ? highest[n] : vector[n];
        }
        square += ((const float *)squares->buf)[row];
        found++;
    }
    float *features = out->buf;
    for (Py_ssize_t n = 0; n < width; n++) features[n] = (float)sums[n], features[width + n] = highest[n];
    return Py_BuildValue("ndnn", found, square, known_bytes, bytes);
}

PyObject *gather(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer b[9];
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*w*", b, b + 1, b + 2, b + 3, b + 4, b + 5, b + 6, b + 7, b + 8))
        return NULL;
    PyObject *answer = checked_gather(b);
    release(b, 9);
    return answer;
}
