/* compiled: the kernels as a module. */
#include "kernels.h"

static PyMethodDef METHODS[] = {
    {"highest", highest, METH_VARARGS, NULL},
    {"gather", gather, METH_VARARGS, NULL},
    {"strings", strings, METH_VARARGS, NULL},
    {"sift", sift, METH_VARARGS, NULL},
    {"glance", glance, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) {
    return PyModule_AddIntConstant(module, "SHAPE", SHAPE);
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, fill}, {0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "outworks.kernels.compiled", .m_methods = METHODS, .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit_compiled(void) {
    return PyModuleDef_Init(&MODULE);
}
