#pragma once

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>

/// The executors that typed tests run on. The product engines differ in the products alone, but every kernel is asked of both.
namespace accrete::test {

#if ACCRETE_WITH_ONEDNN
#define ACCRETE_HOST_EXECUTORS accrete::HostExecutor<accrete::EigenProducts>, accrete::HostExecutor<accrete::OneDnn>
#define ACCRETE_HOST_SCALARS(name) accrete::test::On<accrete::HostExecutor<accrete::OneDnn>, name>, accrete::test::On<accrete::HostExecutor<accrete::EigenProducts>, name>
#else
#define ACCRETE_HOST_EXECUTORS accrete::HostExecutor<accrete::EigenProducts>
#define ACCRETE_HOST_SCALARS(name) accrete::test::On<accrete::HostExecutor<accrete::EigenProducts>, name>
#endif

/// One executor with one scalar: the parameter of a typed kernel test.
template <class Exec, class T>
struct On {
  using Executor = Exec;
  using Scalar = T;
};

/// Every executor with float and with double.
#define ACCRETE_EXECUTORS_AND_SCALARS ACCRETE_HOST_SCALARS(float), ACCRETE_HOST_SCALARS(double)

}  // namespace accrete::test
