/* strings: the spans of texts that read as machine-made; `strings.strings_by_numpy`. */
#include "kernels.h"

#include <stdlib.h>

enum {
    BEFORE = 7,         /* characters that n-grams reach back; surprise.BEFORE */
    TABLES = 5,         /* of n-grams; surprise.Tables */
    BLANK = ' ',        /* a symbol */
    END = '\n',         /* what stands before every text */
    MOST_LEAST = 16,    /* of junctions.LEAST */
    FARTHEST = 1 << 24, /* of NEAR and AROUND, and of what is read at a stretch */
};

typedef struct {
    const uint8_t *kinds;   /* [BYTES]: of a character, for junctions */
    const uint8_t *odd;     /* [64]: whether two kinds are one */
    const uint8_t *symbols; /* [BYTES]: a character among 128 */
    const uint8_t *classes; /* [128]: a symbol among 16 */
    const int8_t *tables;
    const uint32_t *begins, *factors; /* [TABLES] */
    int near, fewest, around;
    int shift, most, least, apart;
    int chunk, overlap;
} How;

typedef struct {
    int64_t text, start, end, height, blanks;
} Found;

/* All that is found; `none` where there was no memory for it. */
typedef struct {
    Found *all;
    size_t count, room;
    int none;
} Finds;

static void add(Finds *finds, const Found *one) {
    if (finds->count == finds->room) {
        size_t room = finds->room ? 2 * finds->room : 64;
        Found *all = realloc(finds->all, room * sizeof(Found));
        if (!all) {
            finds->none = 1;
            return;
        }
        finds->all = all, finds->room = room;
    }
    finds->all[finds->count++] = *one;
}

/* A stretch of a part of a text: what is read at once. */
typedef struct {
    const uint8_t *codes; /* [count] */
    int64_t text, at;     /* of which text, and where in it the stretch begins */
    Py_ssize_t count;
    size_t known, fresh;  /* the finds from the one to the other may be met again: stretches overlap */
    int16_t *evidence;    /* [count] */
    uint16_t *pairs;      /* [count]: each character and the one before it */
} Stretch;

static void read_evidence(const Stretch *it, const How *how, int first) {
    uint32_t four = 0, eight = 0;
    for (Py_ssize_t i = -BEFORE; i < it->count; i++) {
        uint8_t symbol = (i < 0 && first ? END : how->symbols[it->codes[i]]) & 127;
        four = (four << 7 | symbol) & 0xFFFFFFF;
        eight = eight << 4 | (how->classes[symbol] & 15);
        if (i < 0) continue;
        uint32_t pair = four & 0x3FFF;
        int units = how->tables[how->begins[0] + pair];
        units += how->tables[how->begins[1] + ((four & 0x1FFFFF) * how->factors[1] >> how->shift)];
        units += how->tables[how->begins[2] + (four * how->factors[2] >> how->shift)];
        units += how->tables[how->begins[3] + ((eight & 0xFFFFFF) * how->factors[3] >> how->shift)];
        units += how->tables[how->begins[4] + (eight * how->factors[4] >> how->shift)];
        it->pairs[i] = (uint16_t)pair;
        it->evidence[i] = (int16_t)(units > how->most ? how->most : units < -how->most ? -how->most : units);
    }
}

static void tell(const Stretch *it, const How *how, int64_t start, int64_t end, int64_t height, Finds *finds) {
    Found one = {it->text, it->at + start, it->at + end, height, 0};
    for (int64_t n = start; n < end; n++) one.blanks += how->symbols[it->codes[n]] == BLANK;
    for (size_t n = it->known; n < it->fresh && start < how->overlap; n++) {
        const Found *other = finds->all + n;
        if (other->start == one.start && other->end == one.end && other->height == one.height) return;
    }
    add(finds, &one);
}

/* One rise again, in which a pair of characters counts once until all has sunk to zero, or by `apart` from its top; the
 * spans in it that still reach `least`. */
static void again(const Stretch *it, const How *how, Py_ssize_t from, Py_ssize_t to, Finds *finds) {
    uint64_t seen[(1 << 14) / 64] = {0};
    int64_t height = 0, peak = 0, start = from, end = from;
    for (Py_ssize_t n = from; n < to; n++) {
        int units = it->evidence[n];
        uint64_t *where = seen + it->pairs[n] / 64, bit = (uint64_t)1 << it->pairs[n] % 64;
        if (units > 0 && *where & bit) units = 0;
        if (units > 0) *where |= bit;
        height = height + units < 0 ? 0 : height + units;
        if (height > peak) end = n + 1, peak = height;
        if (peak - height >= how->apart) height = 0;
        if (height && n < to - 1) continue;
        if (peak >= how->least) tell(it, how, start, end, peak, finds);
        if (peak) memset(seen, 0, sizeof seen);
        start = end = n + 1, peak = 0;
    }
}

/* Repetition only takes away, so what is too low with it is too low without. */
static void find_rises(const Stretch *it, const How *how, Finds *finds) {
    for (Py_ssize_t i = 0, from = 0; i < it->count; from = i) {
        int64_t height = 0, peak = 0;
        do {
            height += it->evidence[i++];
            if (height < 0) height = 0;
            if (height > peak) peak = height;
        } while (height && i < it->count);
        if (peak >= how->least) again(it, how, from, i, finds);
    }
}

/* Characters `start` to `end` of a text, as if they were all of it. */
static void read_part(Stretch *it, const How *how, const uint8_t *codes, int64_t start, int64_t end, Finds *finds) {
    int64_t step = how->chunk - how->overlap;
    it->known = it->fresh = finds->count;
    for (int64_t at = start; at == start || at + how->overlap < end; at += step) {
        it->codes = codes + at, it->at = at;
        it->count = end - at < how->chunk ? end - at : how->chunk;
        read_evidence(it, how, at == start);
        find_rises(it, how, finds);
        size_t begun = it->fresh;
        it->known = it->fresh = finds->count;
        while (it->known > begun && finds->all[it->known - 1].start >= at + step) it->known--;
    }
}

static void read_place(Stretch *it, const How *how, const uint8_t *codes, int64_t size, int64_t low, int64_t high,
                       Finds *finds) {
    int64_t start = low > how->around ? low - how->around : 0;
    read_part(it, how, codes, start, high + how->around < size ? high + how->around : size, finds);
}

/* The places where many junctions stand close together, with what is around them. */
static void read_dense(Stretch *it, const How *how, const uint8_t *codes, int64_t size, Finds *finds) {
    int64_t last[MOST_LEAST], seen = 0, low = 0, high = -1;
    for (int64_t i = 0; i + 1 < size; i++) {
        if (!how->odd[(how->kinds[codes[i]] & 7) << 3 | (how->kinds[codes[i + 1]] & 7)]) continue;
        last[seen++ % how->fewest] = i;
        if (seen < how->fewest) continue;
        int64_t first = last[seen % how->fewest]; /* of the last `fewest` */
        if (i - first > how->near) continue;
        if (high >= 0 && first - high > 2 * how->around) {
            read_place(it, how, codes, size, low, high, finds);
            high = -1;
        }
        if (high < 0) low = first;
        high = i + 2;
    }
    if (high >= 0) read_place(it, how, codes, size, low, high, finds);
}

static void read_texts(const Text *texts, Py_ssize_t count, const How *how, int everywhere, Finds *finds) {
    int16_t *block = malloc((size_t)how->chunk * (sizeof(int16_t) + sizeof(uint16_t)));
    if (!block) {
        finds->none = 1;
        return;
    }
    Stretch it = {.evidence = block, .pairs = (uint16_t *)(block + how->chunk)};
    for (it.text = 0; it.text < count && !finds->none; it.text++) {
        const Text *text = texts + it.text;
        if (everywhere) read_part(&it, how, text->data, 0, text->size, finds);
        else read_dense(&it, how, text->data, text->size, finds);
    }
    free(block);
}

static PyObject *checked_strings(PyObject *texts, int everywhere, How *how, const Py_buffer *b) {
    const Py_buffer *kinds = b, *odd = b + 1, *symbols = b + 2, *classes = b + 3, *tables = b + 4, *begins = b + 5;
    const Py_buffer *factors = b + 6;
    if (!fits(kinds, BYTES, 1, "kinds") || !fits(odd, 64, 1, "odd") || !fits(symbols, BYTES, 1, "symbols") ||
        !fits(classes, 128, 1, "classes") || !fits(begins, TABLES, sizeof(uint32_t), "begins") ||
        !fits(factors, TABLES, sizeof(uint32_t), "factors"))
        return NULL;
    if (how->near < 0 || how->near > FARTHEST || how->fewest < 1 || how->fewest > MOST_LEAST || how->around < 1 ||
        how->around > FARTHEST)
        return refused("near, fewest or around are out of range");
    if (how->shift < 8 || how->shift > 24 || how->most < 1 || how->most > 1000 || how->least < 1 || how->apart < 1)
        return refused("shift, most, least or apart are out of range");
    /* A stretch looks back into the one before it, by the characters of its context and for what was told there. */
    if (how->overlap < BEFORE || how->overlap > FARTHEST || how->chunk < 2 * how->overlap || how->chunk > FARTHEST)
        return refused("chunk or overlap are out of range");
    how->kinds = kinds->buf, how->odd = odd->buf, how->symbols = symbols->buf, how->classes = classes->buf;
    how->tables = tables->buf, how->begins = begins->buf, how->factors = factors->buf;
    for (int n = 0; n < TABLES; n++)
        /* A pair is its own key, below 2^14; the others are hashed. */
        if (how->begins[n] + ((int64_t)1 << (n ? 32 - how->shift : 14)) > tables->len)
            return refused("a table ends too early");
    Py_ssize_t count = PyTuple_Size(texts), total = 0;
    Text *each = texts_of(texts, &total);
    if (!each) return NULL;
    Finds finds = {0};
    PyThreadState *others = total >= LARGE ? PyEval_SaveThread() : NULL;
    read_texts(each, count, how, everywhere, &finds);
    if (others) PyEval_RestoreThread(others);
    PyMem_Free(each);
    PyObject *answer = finds.none ? PyErr_NoMemory()
                                  : PyBytes_FromStringAndSize((char *)finds.all, (Py_ssize_t)(finds.count * sizeof(Found)));
    free(finds.all);
    return answer;
}

PyObject *strings(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *texts;
    How how = {0};
    int everywhere;
    Py_buffer b[7];
    if (!PyArg_ParseTuple(args, "O!py*y*iiiy*y*y*y*y*iiiiii", &PyTuple_Type, &texts, &everywhere, b, b + 1, &how.near,
                          &how.fewest, &how.around, b + 2, b + 3, b + 4, b + 5, b + 6, &how.shift, &how.most, &how.least,
                          &how.apart, &how.chunk, &how.overlap))
        return NULL;
    PyObject *answer = checked_strings(texts, everywhere, &how, b);
    release(b, 7);
    return answer;
}
