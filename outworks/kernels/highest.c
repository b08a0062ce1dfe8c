/* highest: the linear model of the first stage, window by window; `linear.highest_by_numpy`. */
#include "kernels.h"

enum {
    KINDS = 4,         /* of grams of words; grams.KINDS */
    LANES = 3,         /* weights in one number; linear.LANES */
    LANE = 64 / LANES, /* bits of one */
};

typedef struct {
    int64_t width, least;
} Scale;

typedef struct {
    Hashing hashing;
    const uint8_t *inside;
    const uint64_t *tables; /* [groups][2 << (64 - shift)], half of them words' and half characters' */
    const double *scale, *bias; /* [lanes] */
    const Scale *scales;    /* widest first */
    Py_ssize_t lanes, groups, count, chunk, overlap;
    int shift;
} Model;

typedef struct {
    Py_ssize_t size, words;
    uint64_t *hashes;   /* [words + 2], of which two are 0 */
    uint64_t *said;     /* [words + 1]: running sums modulo 2^64, whose differences are exact, as the true ones fit */
    uint64_t *spelt;    /* [size + 1] */
    uint32_t *before;   /* [size + 1]: how many words begin before a place */
    uint32_t *of_words; /* [words][KINDS], buckets */
    uint32_t *of_chars; /* [size], buckets */
} Grams;

typedef struct {
    double *logits;         /* [lanes] */
    int64_t *starts, *ends; /* [lanes] */
} Best;

/* Without a branch for the ends of words, which no processor foresees. */
static void find_words(Grams *grams, const Model *model, const uint8_t *data) {
    const uint64_t *values = model->hashing.values;
    uint64_t hash = 0, power = 1, within = 0;
    uint32_t begun = 0;
    for (Py_ssize_t i = 0; i < grams->size; i++) {
        uint64_t was = within;
        within = model->inside[data[i]] ? 1 : 0;
        grams->before[i] = begun;
        begun += (uint32_t)(within & ~was);
        hash = (hash & -was) + values[data[i]] * (was ? power : 1);
        power = (was ? power : 1) * model->hashing.base;
        /* Of the word at hand, so far; between words the next one's place, which it takes when it begins. */
        grams->hashes[within ? begun - 1 : begun] = hash;
    }
    grams->before[grams->size] = begun;
    grams->words = begun;
    grams->hashes[begun] = grams->hashes[begun + 1] = 0;
}

static void find_buckets(Grams *grams, const Model *model, const uint8_t *data) {
    const uint64_t *v = model->hashing.values, *h = grams->hashes;
    int shift = model->shift;
    for (Py_ssize_t k = 0; k < grams->words; k++) {
        uint64_t two = h[k] + h[k + 1] * model->hashing.second;
        uint32_t *of = grams->of_words + KINDS * k;
        of[0] = (uint32_t)(h[k] >> shift);
        of[1] = (uint32_t)(two >> shift);
        of[2] = (uint32_t)((two + h[k + 2] * model->hashing.third) >> shift);
        of[3] = (uint32_t)((h[k] + h[k + 2] * model->hashing.skip) >> shift);
    }
    uint32_t characters = (uint32_t)1 << (64 - shift);
    for (Py_ssize_t i = 0; i + RUN <= grams->size; i++) {
        const uint8_t *d = data + i;
        uint64_t run = v[d[0]] + v[BYTES + d[1]] + v[2 * BYTES + d[2]] + v[3 * BYTES + d[3]];
        grams->of_chars[i] = (uint32_t)(run >> shift) + characters;
    }
}

static void add_up(Grams *grams, const uint64_t *table) {
    uint64_t total = 0;
    Py_ssize_t words = grams->words, runs = grams->size < RUN ? 0 : grams->size - RUN + 1;
    for (Py_ssize_t k = 0; k < words; k++) {
        const uint32_t *of = grams->of_words + KINDS * k;
        grams->said[k] = total;
        total += table[of[0]];
        if (k + 1 < words) total += table[of[1]];
        if (k + 2 < words) total += table[of[2]] + table[of[3]];
    }
    grams->said[words] = total;
    total = 0;
    for (Py_ssize_t i = 0; i < runs; i++) {
        grams->spelt[i] = total;
        total += table[grams->of_chars[i]];
    }
    grams->spelt[runs] = total;
}

/* The lowest lane of a packed sum, which is signed and has borrowed from the one above; `sum` then holds the others. */
static double lowest_lane(uint64_t *sum) {
    int64_t low = (int64_t)(*sum << (64 - LANE)) >> (64 - LANE);
    *sum = (uint64_t)((int64_t)(*sum - (uint64_t)low) >> LANE);
    return (double)low;
}

/* One window of a piece that begins at `at` of its text. */
static void consider(const Grams *grams, const Model *model, Py_ssize_t group, int64_t at, int64_t begin, int64_t end,
                     const Best *best) {
    uint32_t first = grams->before[begin], last = grams->before[end];
    double of_words = sqrt(last > first ? last - first : 1), of_bytes = sqrt((double)(end > begin ? end - begin : 1));
    uint64_t said = grams->said[last] - grams->said[first], spelt = 0;
    if (end - begin >= RUN) spelt = grams->spelt[end - RUN + 1] - grams->spelt[begin];
    for (Py_ssize_t lane = group * LANES; lane < model->lanes && lane < (group + 1) * LANES; lane++) {
        /* In numpy's order, and not contracted (-ffp-contract=off): else the last bit would differ. */
        double logit = lowest_lane(&said) / of_words;
        logit += lowest_lane(&spelt) / of_bytes;
        logit *= model->scale[lane];
        logit += model->bias[lane];
        if (!(logit > best->logits[lane])) continue;
        best->logits[lane] = logit;
        /* Where a category stands is told only where it is likelier than not. */
        if (logit > 0) best->starts[lane] = at + begin, best->ends[lane] = at + end;
    }
}

static void read_piece(Grams *grams, const Model *model, const uint8_t *data, int64_t whole, int64_t at,
                       const Best *best) {
    find_words(grams, model, data);
    find_buckets(grams, model, data);
    for (Py_ssize_t group = 0; group < model->groups; group++) {
        add_up(grams, model->tables + group * ((Py_ssize_t)2 << (64 - model->shift)));
        if (whole < model->scales[0].least) consider(grams, model, group, at, 0, grams->size, best);
        for (const Scale *scale = model->scales; scale < model->scales + model->count; scale++) {
            if (whole < scale->least) continue;
            int64_t step = scale->width / 2, begin = 0;
            do {
                int64_t end = begin + scale->width < grams->size ? begin + scale->width : grams->size;
                consider(grams, model, group, at, begin, end, best);
                begin += step;
            } while (begin + step < grams->size);
        }
    }
}

static void read_text(Grams *grams, const Model *model, const uint8_t *data, Py_ssize_t size, const Best *best) {
    for (Py_ssize_t lane = 0; lane < model->lanes; lane++) {
        best->logits[lane] = -INFINITY;
        best->starts[lane] = 0, best->ends[lane] = size;
    }
    Py_ssize_t at = 0;
    do {
        grams->size = size - at < model->chunk ? size - at : model->chunk;
        read_piece(grams, model, data + at, size, at, best);
        at += model->chunk - model->overlap;
    } while (size > model->chunk && at < size - model->overlap);
}

static PyObject *read_texts(const Model *model, PyObject *texts, double *logits, int64_t *starts, int64_t *ends) {
    Py_ssize_t count = PyTuple_Size(texts), longest = 0, total = 0;
    Text *each = texts_of(texts, &total);
    if (!each) return NULL;
    for (Py_ssize_t n = 0; n < count; n++)
        if (each[n].size > longest) longest = each[n].size;
    /* One block for what is read at once; words are at most every second byte. */
    Py_ssize_t size = longest < model->chunk ? longest : model->chunk, most = size / 2 + 3;
    size_t numbers = (size_t)(2 * most + size + 1), places = (size_t)(size + 1 + KINDS * most + size);
    uint64_t *block = PyMem_Malloc(numbers * sizeof(uint64_t) + places * sizeof(uint32_t));
    if (!block) {
        PyMem_Free(each);
        return PyErr_NoMemory();
    }
    Grams grams = {.hashes = block, .said = block + most, .spelt = block + 2 * most};
    grams.before = (uint32_t *)(grams.spelt + size + 1);
    grams.of_words = grams.before + size + 1;
    grams.of_chars = grams.of_words + KINDS * most;
    PyThreadState *others = total >= LARGE ? PyEval_SaveThread() : NULL;
    for (Py_ssize_t n = 0; n < count; n++) {
        Py_ssize_t row = n * model->lanes;
        read_text(&grams, model, each[n].data, each[n].size, &(Best){logits + row, starts + row, ends + row});
    }
    if (others) PyEval_RestoreThread(others);
    PyMem_Free(block);
    PyMem_Free(each);
    Py_RETURN_NONE;
}

static PyObject *checked_highest(PyObject *texts, const Py_buffer *b, Model *model) {
    const Py_buffer *inside = b, *values = b + 1, *factors = b + 2, *tables = b + 3, *scale = b + 4, *bias = b + 5;
    const Py_buffer *scales = b + 6, *logits = b + 7, *starts = b + 8, *ends = b + 9;
    if (model->shift < 40 || model->shift > 60 || model->overlap < 0 || model->chunk <= model->overlap ||
        model->chunk > 1 << 24)
        return refused("shift, chunk or overlap are out of range");
    model->lanes = bias->len / (Py_ssize_t)sizeof(double);
    model->groups = (model->lanes + LANES - 1) / LANES;
    model->count = scales->len / (Py_ssize_t)sizeof(Scale);
    Py_ssize_t buckets = (Py_ssize_t)2 << (64 - model->shift), cells = PyTuple_Size(texts) * model->lanes;
    if (!read_hashing(values, factors, &model->hashing) || !fits(inside, BYTES, 1, "inside") ||
        !fits(tables, model->groups * buckets, sizeof(uint64_t), "tables") ||
        !fits(scale, model->lanes, sizeof(double), "scale") || !fits(bias, model->lanes, sizeof(double), "bias") ||
        !fits(scales, model->count, sizeof(Scale), "scales") || !fits(logits, cells, sizeof(double), "logits") ||
        !fits(starts, cells, sizeof(int64_t), "starts") || !fits(ends, cells, sizeof(int64_t), "ends"))
        return NULL;
    model->inside = inside->buf, model->tables = tables->buf, model->scale = scale->buf, model->bias = bias->buf;
    model->scales = scales->buf;
    for (Py_ssize_t n = 0; n < model->count; n++)
        if (model->scales[n].width < 2 || model->scales[n].width > 1 << 24) return refused("a scale is out of range");
    if (!model->count) return refused("there is no scale");
    return read_texts(model, texts, logits->buf, starts->buf, ends->buf);
}

PyObject *highest(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *texts;
    Model model = {0};
    Py_buffer b[10];
    if (!PyArg_ParseTuple(args, "O!y*y*y*iy*y*y*y*nnw*w*w*", &PyTuple_Type, &texts, b, b + 1, b + 2, &model.shift, b + 3,
                          b + 4, b + 5, b + 6, &model.chunk, &model.overlap, b + 7, b + 8, b + 9))
        return NULL;
    PyObject *answer = checked_highest(texts, b, &model);
    release(b, 10);
    return answer;
}
