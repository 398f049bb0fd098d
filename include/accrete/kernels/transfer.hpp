#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsTransfer = requires(Exec const& exec, VectorView<T const> from, VectorView<T> to) {
  upload_on(exec, from, to);
  download_on(exec, from, to);
};

struct UploadFn {
  template <class Exec, class T, int Rank>
  void operator()(Exec const& exec, TensorView<T const, Rank> host, NonDeduced<TensorView<T, Rank>> device) const {
    static_assert(RunsTransfer<Exec, T>, "kernels::upload has no body for this executor and this scalar");
    expects(host.shape() == device.shape(), "upload", "both must have one shape", host.size(), device.size());
    upload_on(exec, VectorView<T const>(host.data(), {host.size()}), VectorView<T>(device.data(), {device.size()}));
  }
};

struct DownloadFn {
  template <class Exec, class T, int Rank>
  void operator()(Exec const& exec, TensorView<T const, Rank> device, NonDeduced<TensorView<T, Rank>> host) const {
    static_assert(RunsTransfer<Exec, T>, "kernels::download has no body for this executor and this scalar");
    expects(host.shape() == device.shape(), "download", "both must have one shape", host.size(), device.size());
    download_on(exec, VectorView<T const>(device.data(), {device.size()}), VectorView<T>(host.data(), {host.size()}));
  }
};
}  // namespace detail

/// Copies host memory into the executor's memory.
inline constexpr detail::UploadFn upload{};

/// Copies the executor's memory into host memory; done when it returns.
inline constexpr detail::DownloadFn download{};

}  // namespace accrete::kernels
