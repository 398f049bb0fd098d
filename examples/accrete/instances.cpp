#define ACCRETE_INSTANCE template
#include "instances.hpp"
