#pragma once

/// The only header that reads compiler macros. Everything else branches on types.

/// Marks a function callable from both sides when nvcc compiles it; nothing otherwise.
#if defined(__CUDACC__)
#define ACCRETE_HD __host__ __device__
#else
#define ACCRETE_HD
#endif

/// Our own mistakes only, never a user's input. Off in release builds.
#if defined(NDEBUG) && !defined(ACCRETE_CHECKED)
#define ACCRETE_ASSERT(condition) static_cast<void>(0)
#else
#include <cassert>
#define ACCRETE_ASSERT(condition) assert(condition)
#endif

/// Whether products go to oneDNN. CMake defines ACCRETE_WITH_ONEDNN to 1 on targets that link it.
#if !defined(ACCRETE_WITH_ONEDNN)
#define ACCRETE_WITH_ONEDNN 0
#endif

/// Splits a counted loop over the executor's threads; a plain loop where OpenMP is off.
#define ACCRETE_PRAGMA(text) _Pragma(#text)
#if defined(_OPENMP)
#define ACCRETE_PARALLEL_FOR(count) ACCRETE_PRAGMA(omp parallel for schedule(static) num_threads(count))
#define ACCRETE_SIMD ACCRETE_PRAGMA(omp simd)
#else
#define ACCRETE_PARALLEL_FOR(count)
#define ACCRETE_SIMD
#endif

/// Whether OpenMP splits the loops of the host executor.
#if defined(_OPENMP)
#define ACCRETE_WITH_OPENMP 1
#else
#define ACCRETE_WITH_OPENMP 0
#endif

/// Bytes of the widest vector register the compiler may use.
#if defined(__AVX512F__)
#define ACCRETE_VECTOR_BYTES 64
#elif defined(__AVX__)
#define ACCRETE_VECTOR_BYTES 32
#else
#define ACCRETE_VECTOR_BYTES 16
#endif

/// Whether the compiler may use the fused multiply-adds of x86.
#if defined(__FMA__)
#define ACCRETE_WITH_FMA 1
#else
#define ACCRETE_WITH_FMA 0
#endif

/// Whether the compiler may use the instruction that multiplies pairs of bfloat16 and adds them to a float.
#if defined(__AVX512F__) && defined(__AVX512BF16__)
#define ACCRETE_WITH_BFLOAT16_DOT 1
#else
#define ACCRETE_WITH_BFLOAT16_DOT 0
#endif

/// Whether the compiler may use the instruction that rounds a vector to bfloat16.
#if defined(__AVX512BF16__) && defined(__AVX512DQ__)
#define ACCRETE_WITH_BFLOAT16_ROUNDING 1
#else
#define ACCRETE_WITH_BFLOAT16_ROUNDING 0
#endif

/// Whether the compiler may use tile registers (AMX) for bfloat16 and the system can be asked for them.
#if defined(__linux__) && ((defined(__AMX_TILE__) && defined(__AMX_BF16__)) || (defined(__AMXTILE__) && defined(__AMXBF16__)))
#define ACCRETE_WITH_AMX 1
#else
#define ACCRETE_WITH_AMX 0
#endif

/// Whether the code being compiled for a device may use its bfloat16 matrix units; its host side always may speak of them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define ACCRETE_WITH_DEVICE_BFLOAT16 1
#else
#define ACCRETE_WITH_DEVICE_BFLOAT16 0
#endif

/// Asks for the complete unrolling of a loop with a small constant count, so that arrays indexed by it stay in registers.
#if defined(__clang__)
#define ACCRETE_UNROLL ACCRETE_PRAGMA(unroll)
#elif defined(__CUDACC__)
#define ACCRETE_UNROLL  // its front end warns of gcc's spelling
#else
#define ACCRETE_UNROLL ACCRETE_PRAGMA(GCC unroll 64)
#endif
